"""A source of difficulties compared with the known epochs: contradictions, and the two merged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise

from recon.reference.difficulty.coverage import DAY
from recon.reference.difficulty.epochs import Epoch, bounded, folded, same
from recon.reference.difficulty.files import Source
from recon.reference.difficulty.rules import Problem, implausible, mean_of
from recon.reference.numbers import midnight

CLOSE = timedelta(hours=3)
"""Two sources of one epoch: some times follow from the retarget ratio, to about 2 hours."""


@dataclass(frozen=True)
class Time:
    """When a known epoch is surely in force."""

    begins: datetime
    ends: datetime
    epoch: Epoch


def certain(known: Sequence[Epoch]) -> list[Time]:
    """The times of bounded epochs, in their order."""
    ends = [*(other.starts for other in known[1:]), datetime.max.replace(tzinfo=known[0].starts.tzinfo)]
    times = (
        Time(row.in_force, min(end, midnight(row.through)) if row.through else end, row)
        for row, end in zip(known, ends, strict=True)
    )
    return [time for time in times if time.begins <= time.ends]


def contradictions(source: Source, known: Sequence[Epoch]) -> list[Problem]:
    """Where a source says something else than the known epochs, by more than a millionth."""
    times = certain(known)
    wrong = (_contradiction(row, source.daily, known, times) for row in source.said)
    return [problem for problem in wrong if problem]


def _contradiction(row: Epoch, daily: bool, known: Sequence[Epoch], times: Sequence[Time]) -> Problem | None:
    match = None if daily else _match(row, known)
    if match and match.height == row.height and abs(match.starts - row.starts) > CLOSE + _slack(row, match):
        return Problem(row.place, f"block {row.height} on {_day(row)}, where {_day(match)} is known")
    about = [match] if match else [time.epoch for time in _beside(row, times)]
    if any(same(row.difficulty, epoch.difficulty) for epoch in about):
        return _other_height(row, about)
    if not match and not _wholly_known(row, times):
        return None
    if row.dated and (mean := mean_of(row, [epoch.difficulty for epoch in about])):
        return mean
    figures = " and ".join(f"{epoch.difficulty.normalize():f}" for epoch in about)
    are = "is" if len(about) == 1 else "are"
    opinion = match is not None and not row.dated
    return Problem(row.place, f"{row.difficulty} on {_day(row)}, where {figures} {are} known", is_opinion=opinion)


def _other_height(row: Epoch, about: Sequence[Epoch]) -> Problem | None:
    """A block that starts another epoch than the one whose difficulty it has."""
    heights = [epoch.height for epoch in about if same(row.difficulty, epoch.difficulty)]
    if row.height is None or None in heights or row.height in heights:
        return None
    return Problem(row.place, f"block {row.height} on {_day(row)}, where block {heights[0]} is known")


def _day(row: Epoch) -> str:
    return f"{row.starts:%Y-%m-%d}"


def _slack(row: Epoch, match: Epoch) -> timedelta:
    return DAY if row.dated or match.dated else timedelta()


def _match(row: Epoch, known: Sequence[Epoch]) -> Epoch | None:
    """The known epoch of that height, else the one that starts about then."""
    if row.height is not None:
        by_height = next((epoch for epoch in known if epoch.height == row.height), None)
        if by_height:
            return by_height
    if row.dated or row.sighted:
        return None
    return next((k for k in known if not k.dated and abs(k.starts - row.starts) <= CLOSE), None)


def _beside(row: Epoch, times: Sequence[Time], slack: timedelta = CLOSE) -> list[Time]:
    """What is known of the time at some moment of which the row's difficulty is said to be in force."""
    first, last = row.starts - slack, row.in_force + slack
    return [time for time in times if time.begins <= last and first <= time.ends]


def _wholly_known(row: Epoch, times: Sequence[Time]) -> bool:
    """Whether the difficulty is known for all of the time that a row may be about."""
    beside = _beside(row, times, timedelta())
    gapless = all(other.begins <= one.ends for one, other in pairwise(beside))
    return bool(beside) and gapless and beside[0].begins <= row.starts and row.in_force <= beside[-1].ends


def merged(source: Source, known: Sequence[Epoch], *, force: bool = False) -> tuple[Epoch, ...]:
    """The known epochs and the source's new ones, bounded; with `force` the source's word counts against the known.

    The known ones keep their times, their heights, and the dates through which they are known.
    """
    times, kept, fresh = certain(known), list(known), []
    for row in source.epochs:
        match = None if source.daily else _match(row, known)
        about = (
            [match] if match else [t.epoch for t in _touching(row, times) if same(t.epoch.difficulty, row.difficulty)]
        )
        if not about:
            fresh.append(row)
            continue
        index = known.index(about[-1])
        kept[index] = _longer(kept[index], row)
        if match and force and not row.dated and not same(row.difficulty, match.difficulty):
            kept[index] = replace(kept[index], difficulty=row.difficulty, place=row.place)
    rows = folded(sorted([*kept, *fresh], key=lambda epoch: epoch.starts))
    return bounded(rows, None, {row.starts for row in fresh if not row.sighted})


def _touching(row: Epoch, times: Sequence[Time]) -> list[Time]:
    """The known times that a row overlaps or, by a day, goes on with."""
    if not row.sighted:
        return _beside(row, times)
    last = midnight(row.through) if row.through else row.starts
    return [time for time in times if time.begins <= last and row.starts <= time.ends + DAY]


def _longer(one: Epoch, row: Epoch) -> Epoch:
    """A known epoch that is seen later than it was known to last; a row that says no more of when it started is not."""
    is_same_start = abs(row.starts - one.starts) <= CLOSE + _slack(row, one)
    if not (row.sighted or is_same_start) or one.through is None or row.through is None or row.through <= one.through:
        return one
    return replace(one, through=row.through)


def settled(rows: Sequence[Epoch], known: Sequence[Epoch]) -> tuple[Epoch, ...]:
    """Epochs as days show them; where a change is that of two known epochs, its time is known, and so is its day."""
    joined = list(rows)
    changes = list(pairwise(known))
    for n, (one, other) in enumerate(pairwise(rows)):
        if not (other.sighted and one.through and other.first_day - one.through == 2 * DAY):
            continue
        for before, after in changes:
            near = other.starts - 2 * DAY <= after.starts <= other.starts
            if near and same(before.difficulty, one.difficulty) and same(after.difficulty, other.difficulty):
                joined[n] = replace(joined[n], through=None)
                joined[n + 1] = replace(other, starts=after.starts, sighted=False)
    return tuple(joined)


def misfits(result: Sequence[Epoch], known: Sequence[Epoch]) -> Iterator[Problem]:
    """What cannot be right between the new epochs and the known ones beside them."""
    old = {(epoch.starts, epoch.difficulty) for epoch in known}
    for one, other in pairwise(result):
        if not {(one.starts, one.difficulty), (other.starts, other.difficulty)} <= old:
            yield from implausible((one, other))
