"""The program in a process of its own, forked where the libraries it stands on are loaded already.

To load polars, the driver and typer takes longer than most commands take for all the rest. So a test process has one
helper (`python -m tests.support.forked`) that has loaded them, and forks for every run. From there on the run is like
any other: it loads recon's own modules, has its own arguments, variables, directory and streams, and ends as Python
ends.
"""

from __future__ import annotations

import gc
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from importlib import import_module
from io import FileIO
from pathlib import Path
from select import select
from typing import IO, TextIO, TypeAlias

REPOSITORY = Path(__file__).parents[2]
LIBRARIES = (
    "adbc_driver_postgresql",
    "platformdirs",
    "polars",
    "pyarrow.compute",
    "pydantic.json_schema",
    "pydantic.type_adapter",
    "pydantic.types",
    "rich.console",
    "rich.progress",
    "rich.table",
    "tenacity",
    "typer",
)
KEPT_VARIABLES = {"HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PATH", "PYTHONPYCACHEPREFIX", "TMPDIR", "USER"}
LONGEST_ORDER = 1 << 20
Process: TypeAlias = "Fork | subprocess.Popen[str]"


def bare_variables() -> dict[str, str]:
    """The variables of a user who has set nothing for recon."""
    kept = {name: value for name, value in os.environ.items() if name in KEPT_VARIABLES}
    return kept | {"PYTHONPATH": str(REPOSITORY)}


class Fork:
    """A run, with what tests use of `subprocess.Popen`: it is not our child, so its end is read from a pipe."""

    def __init__(self, args: Sequence[str], stdout: TextIO | None, stderr: TextIO, report: int) -> None:
        self.args, self.stdout, self.stderr = args, stdout, stderr
        self._report = FileIO(report)
        self.pid = int(self._report.readline())
        self.returncode: int | None = None
        self._reading: list[Future[str]] = []

    def poll(self) -> int | None:
        """The exit code, if it has ended; -N when signal N ended it."""
        return self._ended(0)

    def wait(self, timeout: float | None = None) -> int:
        """Waits for its end."""
        if (code := self._ended(timeout)) is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        return code

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Waits for its end and returns what it wrote."""
        if not self._reading:
            readers = ThreadPoolExecutor(2)
            self._reading = [readers.submit(stream.read) for stream in (self.stdout, self.stderr) if stream]
            readers.shutdown(wait=False)
        self.wait(timeout)
        written = ["", *(part.result(timeout) for part in self._reading)]
        return written[-2], written[-1]

    def send_signal(self, number: int) -> None:
        """Sends it a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kills it."""
        self.send_signal(signal.SIGKILL)

    def _ended(self, seconds: float | None) -> int | None:
        if self.returncode is None and select([self._report], [], [], seconds)[0]:
            self.returncode = int(self._report.readline())
            self._report.close()
        return self.returncode


class Forks:
    """Starts runs by forking one helper, which ends with this process at the latest."""

    def __init__(self) -> None:
        self._orders, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._helper = subprocess.Popen(
                [sys.executable, "-m", "tests.support.forked", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                env=bare_variables(),
                cwd=REPOSITORY,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )

    def close(self) -> None:
        """Ends the helper."""
        self._orders.close()
        self._helper.wait(30)

    def start(
        self,
        program: Sequence[str],
        environment: dict[str, str],
        cwd: Path | str,
        stdin: IO[str] | int = subprocess.DEVNULL,
        stdout: int = subprocess.PIPE,
    ) -> Fork:
        """Does what `start_python` does."""
        order = {"program": list(program), "environment": environment, "cwd": str(cwd)}
        kept, given = zip(*(os.pipe() for _ in range(3)), strict=True)
        with open(os.devnull) as nothing:
            source = nothing if stdin == subprocess.DEVNULL else stdin
            target = given[0] if stdout == subprocess.PIPE else stdout
            files = [source if isinstance(source, int) else source.fileno(), target, *given[1:]]
            socket.send_fds(self._orders, [json.dumps(order).encode()], files)
        for file in given:
            os.close(file)
        output, errors = map(open, kept[:2])
        return Fork(program, output if stdout == subprocess.PIPE else None, errors, kept[2])


def start_python(
    program: Sequence[str],
    environment: dict[str, str],
    cwd: Path | str,
    stdin: IO[str] | int = subprocess.DEVNULL,
    stdout: int = subprocess.PIPE,
) -> subprocess.Popen[str]:
    """Starts `python -m PROGRAM`: a module and its arguments."""
    return subprocess.Popen(
        [sys.executable, "-m", *program],
        env=environment,
        cwd=cwd,
        stdin=stdin,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
    )


def serve(orders: socket.socket) -> str:
    """Forks for every order; in the fork, with all set for it to begin, the module to run, and "" in the end."""
    while True:
        message, files, _, _ = socket.recv_fds(orders, LONGEST_ORDER, 4)
        _bury()
        if not message:
            return ""
        if os.fork() == 0:
            orders.close()
            _leave_a_reporter(files)
            return _become(json.loads(message), files)
        for file in files:
            os.close(file)


def _bury() -> None:
    """Waits for those who have reported."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _leave_a_reporter(files: list[int]) -> None:
    """Returns in a fork of this process, which itself stays to report the fork's process id and its exit code."""
    report = files.pop()
    if pid := os.fork():
        for file in files:
            os.close(file)
        os.write(report, b"%d\n" % pid)
        _, status = os.waitpid(pid, 0)
        os.write(report, b"%d\n" % os.waitstatus_to_exitcode(status))
        os._exit(0)
    os.close(report)


def _become(order: dict, files: list[int]) -> str:
    for stream, file in enumerate(files):
        os.dup2(file, stream)
        os.close(file)
    # Those of the helper remember what kind of files they were opened for.
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        had = getattr(sys, name)
        mode, lines = "w" if number else "r", 1 if number == 2 else -1
        setattr(sys, name, open(number, mode, lines, had.encoding, had.errors, closefd=False))  # noqa: SIM115 kept
    os.environ.clear()
    os.environ.update(order["environment"])
    os.chdir(order["cwd"])
    sys.path[0] = order["cwd"]
    module, *sys.argv[1:] = order["program"]
    return module


if __name__ == "__main__":
    for library in LIBRARIES:
        import_module(library)
    gc.freeze()
    if module := serve(socket.socket(fileno=int(sys.argv[1]))):
        runpy.run_module(module, run_name="__main__", alter_sys=True)
