"""Rules that every list of difficulties has to keep, for whatever purpose it is read."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise

from recon.core.errors import DataFileError
from recon.reference.difficulty.coverage import DAY
from recon.reference.difficulty.days import mean_text, oddities, runs
from recon.reference.difficulty.epochs import BLOCKS, LONGEST, SHORTEST, Epoch, follows, same
from recon.reference.difficulty.files import Source
from recon.reference.numbers import midnight

LARGEST_STEP = Decimal("4.001")
"""A retarget changes difficulty by a factor of 4 at most (Bitcoin consensus rule); sources round."""
MOST_RETARGETS = 60
"""Of which the product is beyond any difficulty."""
CLAMPED = Decimal("3.9")
"""An epoch shorter than 3.5 days ends with a step of 4, as in July 2010."""
FIRST_BLOCK = date(2009, 1, 3)
FUTURE = timedelta(days=20)
BITS = (0x1600_0000, 0x1D00_FFFF)
"""Difficulty in its compact form, as an integer; since 2014 no difficulty was so small."""
BITS_SINCE = date(2014, 1, 1)
SMALLEST_SINCE = Decimal(10**9)
"""From 2014 on no difficulty was smaller."""


@dataclass(frozen=True)
class Problem:
    """One thing that cannot be right, where it is, and why.

    is_opinion: it says something else than what is known, so that one of the two is wrong; the user may decide.
    """

    place: str
    reason: str
    is_opinion: bool = False

    def __str__(self) -> str:
        return f"{self.place}: {self.reason}"


def problems(source: Source, today: date | None = None) -> list[Problem]:
    """Everything that cannot be right in a source by itself. today: None where it is not known."""
    wrong = [*_order(source), *(problem for row in source.said for problem in _row(row, today))]
    if source.daily:
        wrong += [Problem(place, reason) for place, reason in oddities(runs(source.said))]
        wrong += _daily_steps(source)
    else:
        wrong += implausible(source.said)
    return [*wrong, *_end(source)]


def refuse(source: Source, name: str, today: date | None = None) -> Source:
    """The source itself; DataFileError with the first of its problems."""
    if wrong := problems(source, today):
        raise DataFileError(
            f"{name}, {said(wrong)}", f"see all of it with 'recon difficulty check {shlex.quote(name)}'"
        )
    return source


def said(wrong: Sequence[Problem]) -> str:
    """The first problem, and how many more there are."""
    return f"{wrong[0]}{f' (and {len(wrong) - 1} more)' if len(wrong) > 1 else ''}"


def _order(source: Source) -> Iterator[Problem]:
    if source.jumbled:
        one, other = source.jumbled
        yield Problem(
            other.place, f"{_minute(other)} comes after {_minute(one)}, out of order: sort, one line per epoch"
        )


def _minute(row: Epoch) -> str:
    return f"{row.starts:%Y-%m-%d %H:%M} UTC"


def _row(row: Epoch, today: date | None) -> Iterator[Problem]:
    day = row.starts.date()
    if today and day > today + FUTURE:
        yield Problem(row.place, f"{day} has not come yet: it is {today}")
    if day < FIRST_BLOCK:
        yield Problem(row.place, f"{day} is before Bitcoin's first block, which is of {FIRST_BLOCK}")
    if row.height is not None and row.height % BLOCKS:
        yield Problem(row.place, f"block {row.height} starts no epoch: its height is no multiple of {BLOCKS}")
    if day >= BITS_SINCE and BITS[0] <= row.difficulty <= BITS[1] and row.difficulty % 1 == 0:
        yield Problem(row.place, f"{row.difficulty.normalize():f} is a difficulty in compact form (bits)")


def too_small(source: Source) -> Iterator[Problem]:
    """Figures that cannot be Bitcoin's difficulty of their dates; a file for one's own calculations may have them."""
    for row in source.said:
        if row.starts.date() >= BITS_SINCE and row.difficulty < SMALLEST_SINCE:
            what = f"{row.difficulty.normalize():f} on {row.starts:%Y-%m-%d} is too small for Bitcoin since 2014"
            yield Problem(row.place, f"{what}: give the difficulty whole, not in trillions")


def _daily_steps(source: Source) -> Iterator[Problem]:
    listed = runs(source.said)
    for one, other in pairwise(listed):
        if other.joined:
            yield from _step(one.first, other.first)


def implausible(rows: Sequence[Epoch]) -> Iterator[Problem]:
    """What cannot be right between one epoch and the next: their heights, how long one lasts, the step between them."""
    for one, other in pairwise(rows):
        yield from _pair(one, other)


def _pair(one: Epoch, other: Epoch) -> Iterator[Problem]:
    lasted, epochs = other.starts - one.starts, _epochs_between(one, other)
    loose = DAY if any(_may_be_a_date(row) for row in (one, other)) else timedelta()
    if epochs is not None and epochs < 1:
        yield Problem(other.place, f"block {other.height} comes after block {one.height}")
    elif epochs == 1 and lasted > LONGEST + loose:
        yield Problem(one.place, f"the difficulty of {one.starts:%Y-%m-%d} stays for {lasted.days} days: {LASTS}")
    elif _too_short(one, other, lasted + loose, epochs):
        yield Problem(other.place, f"the epoch of {one.starts:%Y-%m-%d} lasts {_days(lasted)}: {LASTS}")
    else:
        retargets = 1 if follows(one, other) else epochs or math.ceil((lasted + loose) / SHORTEST) + 1
        yield from _step(one, other, retargets)


LASTS = "an epoch lasts 3.5 to 20 days"


def _days(time: timedelta) -> str:
    return f"{time / DAY:.3g} days"


def _epochs_between(one: Epoch, other: Epoch) -> int | None:
    if one.height is None or other.height is None:
        return None
    return (other.height - one.height) // BLOCKS


def _may_be_a_date(row: Epoch) -> bool:
    return row.dated or (row.height is None and row.starts == midnight(row.starts.date()))


def _too_short(one: Epoch, other: Epoch, lasted: timedelta, epochs: int | None) -> bool:
    """Not where the figure stays (one epoch, listed twice), nor where it may have begun earlier or the step was cut."""
    clamped = epochs == 1 and other.difficulty >= CLAMPED * one.difficulty
    again = one.sighted or (epochs is None and same(one.difficulty, other.difficulty))
    return lasted < SHORTEST * (epochs or 1) and not (clamped or again)


def _step(one: Epoch, other: Epoch, retargets: int = 1) -> Iterator[Problem]:
    """A change that so many retargets cannot make."""
    step, possible = other.difficulty / one.difficulty, LARGEST_STEP ** min(retargets, MOST_RETARGETS)
    if 1 / possible <= step <= possible:
        return
    day = f"{other.starts:%Y-%m-%d}"
    limit = "1/4 to 4 is possible" if retargets == 1 else f"4 in each of {retargets} epochs is possible"
    yield Problem(other.place, f"the difficulty of {day} changes by a factor of {step:.3g}: {limit}")


def _end(source: Source) -> Iterator[Problem]:
    """Whether a last date is claimed that the epoch cannot have reached, or nothing is left."""
    if not source.epochs:
        yield Problem(source.said[-1].place, "no date has this difficulty for sure: give the time at which it starts")
    for row in source.epochs:
        if row.through and row.through - row.starts.date() > LONGEST:
            lasted = (row.through - row.starts.date()).days
            is_last = row is source.epochs[-1]
            yield Problem(row.place, f"the {'last ' if is_last else ''}difficulty is said to stay for {lasted} days")


def mean_of(row: Epoch, beside: Sequence[Decimal]) -> Problem | None:
    """The problem of a figure that lies between the two that are known of its day."""
    if len(beside) == 2 and min(beside) < row.difficulty < max(beside):
        return Problem(row.place, mean_text(row, beside))
    return None
