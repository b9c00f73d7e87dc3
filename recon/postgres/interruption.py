"""Ctrl-C in a program or a notebook that uses the library: answered at once, wherever its main thread waits."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import copy_context
from functools import wraps
from typing import ParamSpec, TypeVar

from recon.core.errors import ExitCode
from recon.postgres.stopping import Stop, own, stop_all

P = ParamSpec("P")
T = TypeVar("T")
GRACE_S = 1.5
"""How long the rollback of what is in hand and the ledger's last line are waited for."""
AGAIN_S = 0.1
"""A statement that began while the others were cancelled is cancelled by the next time."""


def interruptible(function: Callable[P, T]) -> Callable[P, T]:
    """Works on a thread of its own while the main thread waits; KeyboardInterrupt ends this work and nothing else.

    A driver that waits for the server answers no signal, and signals reach the main thread only: on any other thread
    the function is called as it is.
    """

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        with own() as stop:
            if threading.current_thread() is not threading.main_thread():
                return function(*args, **kwargs)
            return _waited_for(lambda: function(*args, **kwargs), stop)

    return call


def _waited_for(work: Callable[[], T], stop: Stop) -> T:
    result: Future[T] = Future()
    over = threading.Event()

    def run() -> None:
        try:
            result.set_result(work())
        except BaseException as error:  # noqa: BLE001 it is raised again, on the thread that waits
            result.set_exception(error)
        finally:
            over.set()

    threading.Thread(target=copy_context().run, args=(run,), name="recon", daemon=True).start()
    try:
        while not over.wait(AGAIN_S):  # a signal may reach another thread, which does not end a wait without an end
            pass
    except KeyboardInterrupt:
        deadline = time.monotonic() + GRACE_S
        while not over.is_set() and time.monotonic() < deadline:
            stop_all(ExitCode.INTERRUPTED, stop)
            over.wait(AGAIN_S)
        raise
    return result.result()
