"""The command line: parse, call, print, exit. Signals and exit codes are dealt with here, once.

The command runs on a thread of its own, so that a signal is answered at once even while a driver waits for
the server: the main thread only waits, and tells the sessions to stop when it is told to.
"""

from __future__ import annotations

import codecs
import gc
import io
import os
import signal
import sys
import threading
import traceback
from types import FrameType
from typing import Any

from recon.cli.invocation import Invocation
from recon.core.environment import forget_impossible_sizes, share_processors
from recon.core.errors import BUG, ExitCode, Interrupted, ReconError, UsageError

GRACE_S = 10
"""A session that does not stop within this time is left to the server, which rolls it back."""
HINT = "send it to another place"
YOUNG_OBJECTS = 10_000
"""How many objects may be new before Python looks for cycles among them: with its 700 a twenty-fifth of a short
command's time goes into that, while modules are loaded that stay."""
SIGNALS = {signal.SIGINT: ExitCode.INTERRUPTED, signal.SIGTERM: ExitCode.TERMINATED}


class _Output(io.FileIO):
    """stdout whose reader may leave (`recon status | head -1`): the work goes on, and the exit code stays true."""

    lost = False

    def write(self, data: Any, /) -> int:
        """As a file does; what nobody can read any more is dropped. UsageError, once, where it cannot be kept."""
        try:
            return len(memoryview(data)) if self.lost else super().write(data) or 0
        except BrokenPipeError:
            return len(memoryview(data))
        except OSError as error:
            self.lost = True
            raise UsageError(f"the output cannot be written: {error.strerror}", HINT, code="output") from None


def run() -> None:
    """Runs the command line and ends the process with the contract's exit code."""
    gc.set_threshold(YOUNG_OBJECTS)
    forget_impossible_sizes()
    share_processors()
    _open_streams()
    command = _Command(sys.argv[1:])
    code = command.wait()
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)  # the work is over: its exit code is not to become a signal's
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        # A driver's thread that is still waiting must not hold the process; and freeing one by one what it has loaded
        # takes Python a tenth of a second.
        os._exit(code)


def _escaped(error: UnicodeError) -> tuple[str, int]:
    """What an encoding has no character for, in the way that is right in JSON too: as \\u03a9."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    units = error.object[error.start : error.end].encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[n : n + 4]}" for n in range(0, len(units), 4)), error.end


def _open_streams() -> None:
    """stdout and stderr that can be written to in any case: they may have been closed before we began, and a locale
    like C has not every character. A terminal gets those of its locale, though Python takes C for UTF-8.
    """
    codecs.register_error("escaped", _escaped)
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 for as long as the process lives
    else:
        raw = io.BufferedWriter(_Output(sys.stdout.fileno(), "w", closefd=False))
        terminal = sys.stdout.isatty()
        encoding = "locale" if terminal else sys.stdout.encoding
        sys.stdout = io.TextIOWrapper(raw, encoding, "escaped", line_buffering=terminal)
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115
    elif isinstance(sys.stderr, io.TextIOWrapper):
        sys.stderr.reconfigure(encoding="locale" if sys.stderr.isatty() else None, errors="escaped")


class _Command:
    """One command line on its own thread, stoppable by signals."""

    def __init__(self, arguments: list[str]) -> None:
        self._invocation = Invocation(arguments)
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
            elif error := self._silence():
                return self._give_up(error)
        return self._give_up(Interrupted(self._stop)) if self._stop and self.still_running else self._code

    def _give_up(self, error: ReconError) -> int:
        """Ends without the command's thread, which waits for a server that does not answer."""
        from recon.cli.app import fail

        return fail(error, self._invocation)

    @staticmethod
    def _silence() -> ReconError | None:
        stopping = sys.modules.get("recon.postgres.stopping")
        return stopping.silence() if stopping is not None and hasattr(stopping, "silence") else None

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
        stopping = sys.modules.get("recon.postgres.stopping")
        if stopping is not None and hasattr(stopping, "stop_all"):
            stopping.stop_all(why)

    def _run(self) -> None:
        try:
            from recon.cli.app import run_line

            self._code = run_line(self._invocation)
        except BaseException:  # noqa: BLE001 a bug keeps its traceback, and the process an exit code that says so
            traceback.print_exc()
            sys.stderr.write("recon: a bug, please report the above; what was committed is in 'recon runs'\n")
