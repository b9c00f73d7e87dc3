"""The program on a terminal (a pty)."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def on_a_terminal(
    environment: dict[str, str], *arguments: object, typed: str = "", interrupt_at: str = "", columns: int = 80
) -> tuple[int, str]:
    """Exit code, and what a terminal is sent that is stdin, stdout and stderr.

    typed: what its user types; SIGINT comes when it shows `interrupt_at`.
    """
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "recon", *map(str, arguments)],
        env={"TERM": "xterm"} | {name: value for name, value in environment.items() if name != "COLUMNS"},
        stdin=slave,
        stdout=slave,
        stderr=slave,
    )
    os.write(master, typed.encode())
    shown, ended = b"", False
    while (ready := select.select([master], [], [], 0.2)[0]) or not ended:  # once more after the end
        ended = process.poll() is not None
        if ready:
            shown += os.read(master, 4096)
        if interrupt_at and re.search(interrupt_at, shown.decode(errors="replace")):
            process.send_signal(signal.SIGINT)
            interrupt_at = ""
    os.close(slave)  # only now: what a terminal was sent may be lost with the last one who holds it open
    os.close(master)
    return process.wait(30), shown.decode().replace("\r\n", "\n")


def plain(shown: str) -> str:
    """The text without colours and cursor movements."""
    return ESCAPES.sub("", shown)
