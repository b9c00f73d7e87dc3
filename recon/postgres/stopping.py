"""The order to stop: the process's own, given by a signal, or that of one call of the library.

What belongs to a call finds its order by the context, which `recon.reconcile.engine.Threads` hands on to its threads.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol

from recon.core.errors import DatabaseError, ExitCode, Interrupted


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


class Stoppable(Protocol):
    """What is open to the server and may have to be ended from another thread: a session."""

    name: str
    stop: Stop

    def cancel(self) -> None:
        """Asks the server to end what it is doing for it."""

    def silence(self) -> DatabaseError | None:
        """That the server should have answered long ago."""


open_sessions: weakref.WeakSet[Stoppable] = weakref.WeakSet()


def stop_all(why: ExitCode, stop: Stop = PROCESS) -> None:
    """Cancels what every session under that order is doing; from now on their threads get Interrupted. Safe to call
    again.
    """
    stop.give(why)
    for session in list(open_sessions):
        if session.stop is stop:
            # A connection that is stalled stalls its cancelling too, and a signal's handler must not wait.
            threading.Thread(target=session.cancel, daemon=True).start()


def silence(name: str | None = None) -> DatabaseError | None:
    """That a server has not answered for longer than it may take: half-open, so that no timeout of its own helps.

    name: asks only for the sessions of that name.
    """
    asked = (session for session in list(open_sessions) if name in (None, session.name))
    return next(filter(None, (session.silence() for session in asked)), None)


def check_stop() -> None:
    """Interrupted, once `stop_all` was called."""
    current().check()


def pause(seconds: float) -> None:
    """Sleeps, but not longer than until `stop_all`."""
    current().pause(seconds)
