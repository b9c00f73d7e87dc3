"""Who is told how a run goes on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import date
from typing import TYPE_CHECKING

from recon.core.errors import ReconError

if TYPE_CHECKING:
    from recon.core.plan import DateResult, PlannedDate


class Watcher:
    """Told how a run goes on, always from one thread; does nothing unless overridden."""

    def comparing(self) -> AbstractContextManager[Compared]:
        """Entered while keys or values are compared; what it gives is told the dates done."""
        return nullcontext(unwatched)

    def planned(self, run_id: str, dates: Sequence[PlannedDate]) -> None:
        """The plan is stored; work begins."""

    def finished(self, result: DateResult) -> None:
        """One date came to its end."""

    def wrote(self, day: date, rows: int) -> None:
        """Some rows of a date that is not finished yet."""

    def retrying(self, dates: Sequence[date], error: ReconError) -> None:
        """Some dates are tried again (this one call comes from a worker's thread)."""


Compared = Callable[[int, int], None]
"""Told that so many more dates were compared, and of how many in all."""


def unwatched(_more: int, _total: int) -> None:
    """Nobody wants to know."""
