"""Epochs of difficulty in order of time: which dates each one covers, and which follow each other without a hole."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise, zip_longest

import polars as pl

from recon.core.schema import EPOCHS
from recon.reference.difficulty.coverage import DAY, Coverage, Span
from recon.reference.numbers import midnight

BLOCKS = 2016
"""What an epoch has of them."""
SHORTEST = timedelta(days=3.5)
LONGEST = timedelta(days=20)
AFTER_LAST = timedelta(days=10)
"""How long an epoch surely lasts whose end is not known; it takes about 14 days."""
SAME = Decimal("1e-6")


@dataclass(frozen=True)
class Epoch:
    """One difficulty epoch, and the line (or index) it was read from.

    through: the last date on which it is known to be in force; None for one that lasts until the next one starts.
    dated: only the day is known on which it starts. sighted: it is seen from then on and may have started before.
    """

    starts: datetime
    difficulty: Decimal
    height: int | None = None
    place: str = ""
    through: date | None = None
    dated: bool = False
    sighted: bool = False

    @property
    def in_force(self) -> datetime:
        """From when on it is surely in force: at the end of the day, where that is all that is known."""
        return self.starts + DAY if self.dated else self.starts

    @property
    def first_day(self) -> date:
        """The first date at whose 00:00 UTC it is in force."""
        day = self.in_force.date()
        return day if midnight(day) == self.in_force else day + DAY


def same(one: Decimal, other: Decimal) -> bool:
    """Whether two figures are one difficulty, to a millionth: sources round."""
    return abs(one - other) <= SAME * other


def follows(one: Epoch, other: Epoch) -> bool:
    """Whether an epoch is the next one: 2016 blocks on where heights are given, else by time alone."""
    near = other.starts - one.starts <= LONGEST
    if one.height is not None and other.height is not None:
        return near and other.height == one.height + BLOCKS
    return near and not other.sighted


def bounded(rows: Sequence[Epoch], known_through: date | None, fresh: Collection[datetime] = ()) -> tuple[Epoch, ...]:
    """The epochs, each with the date through which it is known, unless the next one follows it.

    known_through: the last date of all; None: 10 days after the start of the last. fresh: the starts of epochs that
    were not known when the others got their dates; the one before them may last until they start.
    """
    if not rows:
        return ()
    last = rows[-1]
    end = known_through or last.through or (last.starts + AFTER_LAST).date()
    found = [replace(one, through=_through(one, other, other.starts in fresh)) for one, other in pairwise(rows)]
    kept = [row for row in (*found, replace(last, through=end)) if row.first_day <= end]
    return (*kept[:-1], replace(kept[-1], through=min(kept[-1].through or end, end))) if kept else ()


def _through(one: Epoch, other: Epoch, is_new: bool) -> date | None:
    by_height = one.height is not None and other.height is not None
    if follows(one, other) and (one.through is None or is_new or by_height):
        return None
    return one.through or min((one.starts + AFTER_LAST).date(), (other.starts - SHORTEST).date())


def coverage(rows: Sequence[Epoch]) -> Coverage:
    """The dates that bounded epochs cover."""
    return Coverage.of(spans(rows))


def spans(rows: Sequence[Epoch]) -> Iterator[Span]:
    """The first and last date of each bounded epoch; the last comes before the first where it covers none."""
    for row, other in zip_longest(rows, rows[1:]):
        ends = [row.through] if row.through else []
        yield row.first_day, min([*ends, other.first_day - DAY] if other else ends)


def folded(rows: Iterable[Epoch]) -> list[Epoch]:
    """Epochs in order of time, those that are one epoch listed twice joined."""
    kept: list[Epoch] = []
    for row in rows:
        if kept and _is_one(kept[-1], row):
            kept[-1] = _together(kept[-1], row)
        else:
            kept.append(row)
    return kept


def _is_one(one: Epoch, other: Epoch) -> bool:
    if not same(one.difficulty, other.difficulty) or (one.height is not None and other.height is not None):
        return False
    return one.through is None or other.first_day <= one.through + DAY or other.height is not None


def _together(one: Epoch, other: Epoch) -> Epoch:
    """The better known start, and the later end."""
    to_the_second = one.dated and not (other.dated or other.sighted)
    better = other if one.height is None and (other.height is not None or to_the_second) else one
    if not (other.sighted or better is other):
        return one
    through = max(one.through, other.through) if one.through and other.through else other.through
    return replace(better, through=through)


def frame(rows: Iterable[Epoch]) -> pl.DataFrame:
    """schema.EPOCHS."""
    listed = [(row.height, row.in_force, row.difficulty) for row in rows]
    return pl.DataFrame(listed, schema=EPOCHS, orient="row")


def to_csv(rows: Sequence[Epoch]) -> str:
    """The file that `difficulty_files.read` reads; one with holes says of each through which date it is known."""
    holed = any(row.through for row in rows[:-1])
    lines = [f"# known_through: {rows[-1].through}", ",".join([*EPOCHS, *(["known_through"] if holed else [])])]
    for row in rows:
        starts = f"{row.starts:%Y-%m-%d}" if row.dated else f"{row.starts.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
        values = ["" if row.height is None else str(row.height), starts, f"{row.difficulty.normalize():f}"]
        lines.append(",".join([*values, *([str(row.through or "")] if holed else [])]))
    return "\n".join(lines) + "\n"
