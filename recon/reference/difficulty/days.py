"""Difficulty listed day by day: runs of days with one figure, and which dates they cover.

What is listed for a day was in force at some time of it. So it is not known which of the two figures was in force at
00:00 UTC of the day on which they change, and that day is not covered. A day that is left out is not covered either.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise

from recon.reference.difficulty.coverage import DAY
from recon.reference.difficulty.epochs import LONGEST, SHORTEST, Epoch, same
from recon.reference.numbers import midnight

FEWEST_DAYS = 3
"""An epoch of 3.5 days has so many midnights."""


@dataclass(frozen=True)
class Run:
    """Days that follow each other and have one figure. joined: the day before has another one."""

    first: Epoch
    last: date
    joined: bool

    @property
    def starts(self) -> date:
        """Its first day."""
        return self.first.starts.date()

    @property
    def days(self) -> int:
        """How many."""
        return (self.last - self.starts).days + 1

    @property
    def difficulty(self) -> Decimal:
        """The figure."""
        return self.first.difficulty


def is_daily(rows: Sequence[Epoch]) -> bool:
    """Whether rows in order of time are samples of what is in force, rather than the beginnings of epochs."""
    if len(rows) < 2 or any(row.height is not None for row in rows):
        return False
    pairs = list(pairwise(rows))
    gaps = sorted(other.starts - one.starts for one, other in pairs)
    again = any(one.difficulty == other.difficulty and one.starts != other.starts for one, other in pairs)
    return again or gaps[len(gaps) // 2] < SHORTEST


def runs(rows: Sequence[Epoch]) -> list[Run]:
    """The runs of a daily list; of a day that is listed several times, its first figure."""
    listed: list[Run] = []
    for row in rows:
        day = row.starts.date()
        before = listed[-1] if listed else None
        if before and day == before.last:
            continue
        touches = before is not None and day == before.last + DAY
        if before and touches and same(row.difficulty, before.difficulty):
            listed[-1] = replace(before, last=day)
        else:
            listed.append(Run(row, day, touches))
    return listed


def sighted(listed: Sequence[Run]) -> Iterator[Epoch]:
    """Epochs as the runs show them, each with the dates that it surely has."""
    for run, after in zip(listed, [*listed[1:], None], strict=True):
        first = run.starts + DAY if run.joined or not run.first.dated else run.starts
        ends_in_a_change = after is not None and after.joined
        if first <= run.last and not (run.days == 1 and ends_in_a_change):
            yield Epoch(midnight(first), run.difficulty, None, run.first.place, run.last, sighted=True)


def oddities(listed: Sequence[Run]) -> Iterator[tuple[str, str]]:
    """Place and reason of each run that no epoch can have been."""
    for before, run, after in zip([None, *listed], listed, [*listed[1:], None], strict=False):
        if timedelta(days=run.days - 1) > LONGEST:
            yield run.first.place, f"the difficulty of {run.starts} stays for {run.days} days"
        if before and after and run.joined and after.joined and run.days < FEWEST_DAYS:
            yield run.first.place, _too_short(before, run, after)


def _too_short(before: Run, run: Run, after: Run) -> str:
    low, high = sorted((before.difficulty, after.difficulty))
    if low < run.difficulty < high:
        return mean_text(run.first, [before.difficulty, after.difficulty])
    return f"the difficulty of {run.starts} stays for {run.days} days: an epoch lasts 3.5 to 20 days"


def mean_text(row: Epoch, beside: Sequence[Decimal]) -> str:
    """The reason why a figure that is the mean of two difficulties is refused."""
    one, other = (f"{figure.normalize():f}" for figure in beside)
    what = f"{row.difficulty.normalize():f} on {row.starts:%Y-%m-%d} lies between {one} and {other}"
    return f"{what}: a list of daily means, which are no difficulties; take a list of epochs"
