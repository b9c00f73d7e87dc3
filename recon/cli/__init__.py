"""The command line: parse, call, print, exit. Signals and exit codes are dealt with here, once.

The command runs on a thread of its own, so that a signal is answered at once even while a driver waits for
the server: the main thread only waits, and tells the sessions to stop when it is told to.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from types import FrameType

from recon.errors import ExitCode

GRACE_S = 10
"""A session that does not stop within this time is left to the server, which rolls it back."""
BUG = 70
"""EX_SOFTWARE: an error that is none of the expected ones; it keeps its traceback."""
SIGNALS = {signal.SIGINT: ExitCode.INTERRUPTED, signal.SIGTERM: ExitCode.TERMINATED}


def run() -> None:
    """Runs the command line and ends the process with the contract's exit code."""
    command = _Command(sys.argv[1:])
    code = command.wait()
    if command.still_running:
        os._exit(code)  # a driver's thread that is still waiting must not hold the process
    sys.exit(code)


class _Command:
    """One command line on its own thread, stoppable by signals."""

    def __init__(self, arguments: list[str]) -> None:
        self._arguments = arguments
        self._code = BUG
        self._stop: ExitCode | None = None
        self._thread = threading.Thread(target=self._run, name="command", daemon=True)

    def wait(self) -> int:
        """The exit code, once the command is done or has been stopped."""
        for number in SIGNALS:
            signal.signal(number, self._signalled)
        self._thread.start()
        waited = 0.0
        while self.still_running and waited < GRACE_S:
            self._thread.join(0.1 if self._stop else 1)
            if self._stop:
                waited += 0.1
                self._tell_sessions(self._stop)
        return int(self._stop) if self._stop and self.still_running else self._code

    @property
    def still_running(self) -> bool:
        """Whether the command did not stop when told to."""
        return self._thread.is_alive()

    def _signalled(self, number: int, _: FrameType | None) -> None:
        if self._stop:
            os._exit(int(self._stop))
        self._stop = SIGNALS[signal.Signals(number)]
        self._tell_sessions(self._stop)

    @staticmethod
    def _tell_sessions(why: ExitCode) -> None:
        database = sys.modules.get("recon.database")
        if database is not None and hasattr(database, "stop_all"):
            database.stop_all(why)

    def _run(self) -> None:
        try:
            from recon.cli.app import main

            self._code = main(self._arguments)
            sys.stdout.flush()
        except BrokenPipeError:  # the reader of our output has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            self._code = ExitCode.OK
        except BaseException:  # noqa: BLE001 a bug keeps its traceback, and the process an exit code that says so
            traceback.print_exc()
