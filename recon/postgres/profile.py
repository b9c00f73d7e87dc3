"""Where the time of a run goes: seconds and bytes per stage, summed over all threads.

A stage inside another one stops the outer one's clock, so that the sums of one thread never overlap.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

STAGES = ("connect", "survey", "read", "price", "turn", "copy", "verify", "ledger", "commit", "values")


@dataclass
class Stage:
    """What one stage took: seconds of its threads, and the bytes that came from and went to the server as Arrow."""

    seconds: float = 0.0
    bytes_in: int = 0
    bytes_out: int = 0

    def to_dict(self) -> dict[str, Any]:
        """One entry of `profile`."""
        return {"seconds": round(self.seconds, 4), "bytes_in": self.bytes_in, "bytes_out": self.bytes_out}


_totals: dict[str, Stage] = {}
_guard = threading.Lock()
_current: ContextVar[list[Any] | None] = ContextVar("stage", default=None)


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Counts what happens within as a part of that stage."""
    outer = _current.get()
    now = time.perf_counter()
    if outer:
        _add(outer[0], now - outer[1])
    own: list[Any] = [name, now]
    token = _current.set(own)
    try:
        yield
    finally:
        ended = time.perf_counter()
        _add(name, ended - own[1])
        _current.reset(token)
        if outer:
            outer[1] = ended


def _add(name: str, seconds: float = 0.0, bytes_in: int = 0, bytes_out: int = 0) -> None:
    with _guard:
        total = _totals.setdefault(name, Stage())
        total.seconds += seconds
        total.bytes_in += bytes_in
        total.bytes_out += bytes_out


def moved(*, bytes_in: int = 0, bytes_out: int = 0) -> None:
    """Counts bytes to the stage that is going on."""
    current = _current.get()
    _add(current[0] if current else "other", 0.0, bytes_in, bytes_out)


def totals() -> dict[str, dict[str, Any]]:
    """Every stage so far, in the order of a run."""
    with _guard:
        known = [name for name in STAGES if name in _totals]
        return {name: _totals[name].to_dict() for name in [*known, *sorted(_totals.keys() - set(known))]}
