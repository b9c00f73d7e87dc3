"""The order to stop: the process's own, given by a signal, or that of one call of the library.

What belongs to a call finds its order by the context, which `recon.engine.threads` hands on to its threads.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from recon.errors import ExitCode, Interrupted


class Stop:
    """Once given, nothing new is started; the first reason counts."""

    def __init__(self) -> None:
        self._given = threading.Event()
        self._why = ExitCode.INTERRUPTED

    def give(self, why: ExitCode) -> None:
        """Stops whatever asks. Safe to call again."""
        if not self._given.is_set():
            self._why = why
            self._given.set()

    def check(self) -> None:
        """Interrupted, once it was given."""
        if self._given.is_set():
            raise Interrupted(self._why)

    def pause(self, seconds: float) -> None:
        """Sleeps, but not longer than until it is given."""
        self._given.wait(seconds)


PROCESS = Stop()
_current: ContextVar[Stop] = ContextVar("recon_stop", default=PROCESS)


def current() -> Stop:
    """The order that counts here."""
    return _current.get()


@contextmanager
def own() -> Iterator[Stop]:
    """An order for what is begun in this block, and for nothing else."""
    stop = Stop()
    before = _current.set(stop)
    try:
        yield stop
    finally:
        _current.reset(before)
