"""The program as its users start it, and what they see of it."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from recon.cli.app import main
from tests.support.forked import Process, bare_variables, start_python

CHANGING = [
    (r"(?<!\.)\b[0-9a-f]{8}\b", "RUN"),
    (r"tcp://127\.0\.0\.1:\d+", "WORKER"),
    (r"127\.0\.0\.1:\d+/\w+|port[ =]\d+", "SERVER"),
    (r"\b(faults|test)_\d+\b", "DATABASE"),
    (r"/[\w/]*recon-(home|test)-\w+", "DIRECTORY"),
    (r"process \d+|transaction \d+|PID \d+", "N"),
]
"""What differs from run to run in a line, and what stands for it."""


@dataclass(frozen=True)
class Outcome:
    """One run of the program, as its user sees it."""

    code: int
    stdout: str
    stderr: str

    @property
    def lines(self) -> list[str]:
        """What stood on stderr."""
        return self.stderr.splitlines()

    @property
    def sees(self) -> str:
        """The first line on stderr, with what changes from run to run left out; without one, the last on stdout that
        tells how it stands.
        """
        said = [line for line in self.stdout.splitlines() if not line.startswith("next: ")]
        line = (self.lines[:1] or said[-1:] or [""])[0]
        for pattern, word in CHANGING:
            line = re.sub(pattern, word, line)
        return line


@dataclass
class Program:
    """A real `recon` process per call, in an environment that has nothing but a home for it."""

    home: Path
    tampering: str = ""
    """Which part of the program is spoilt (tests.faults.tampering), to see whether the harness notices."""
    quick: bool = False
    """Whether a run that meets no fault may do without a process of its own, for tests that have little time."""
    begin: Callable[..., Process] = start_python
    variables: dict[str, str | None] = field(default_factory=dict)
    """What its environment has besides; None: has not."""
    place: Path | None = None
    """The directory that it is started in, if not its home."""

    def start(self, *arguments: object, url: str, stdout: int = subprocess.PIPE) -> Process:
        """Starts it and goes on."""
        environment = bare_variables() | {"RECON_HOME": str(self.home), "RECON_DATABASE_URL": url}
        wanted = {name: value for name, value in (environment | self.variables).items() if value is not None}
        program = ["tests.faults.tampering", self.tampering] if self.tampering else ["recon"]
        # What Python itself makes of its variables and its directory is then part of the fault.
        begin = start_python if self.variables or self.place else self.begin
        return begin([*program, *map(str, arguments)], wanted, self.place or self.home, stdout=stdout)

    def run(self, *arguments: object, url: str, timeout: float = 90) -> Outcome:
        """Runs it to its end, where no fault is."""
        if self.quick:
            return Outcome(main([*map(str, arguments), "--database-url", url, "--json", "--quiet"]), "", "")
        return ended(self.start(*arguments, url=url), timeout)


def ended(process: Process, timeout: float = 90) -> Outcome:
    """What came of a process; one that does not end in time is killed, and that is an error."""
    try:
        stdout, stderr = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        _, stderr = process.communicate()
        raise AssertionError(f"{process.args} did not end within {timeout} s; it said: {stderr}") from None
    return Outcome(process.returncode, stdout or "", stderr)


def wait_for_handlers(process: Process) -> None:
    """Waits until the program listens to signals: before that it is Python that dies of them, not recon."""
    status = Path(f"/proc/{process.pid}/status")
    for _ in range(1000):
        with suppress(OSError, StopIteration):
            caught = next(line for line in status.read_text().splitlines() if line.startswith("SigCgt"))
            if int(caught.split()[1], 16) >> (signal.SIGTERM - 1) & 1:
                return
        if process.poll() is not None:
            return
        time.sleep(0.005)
