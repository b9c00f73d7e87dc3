"""The program on a terminal, as a person uses it."""

from __future__ import annotations

import os
import pty
import subprocess
import sys


def on_a_terminal(environment: dict[str, str], *arguments: object, typed: str = "") -> tuple[int, str]:
    """Exit code, and what a terminal is sent that is stdin, stdout and stderr; `typed` is what its user types."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "recon", *map(str, arguments)],
        env=environment | {"TERM": "xterm", "COLUMNS": "80"},
        stdin=slave,
        stdout=slave,
        stderr=slave,
    )
    os.close(slave)
    os.write(master, typed.encode())
    shown = b""
    try:
        while part := os.read(master, 4096):
            shown += part
    except OSError:  # the end, on Linux
        pass
    os.close(master)
    return process.wait(30), shown.decode()
