"""Cutting dates into chunks of bounded size, and a single larger date into groups of settlement periods."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from typing import TypeVar

import polars as pl

T = TypeVar("T")


def chunks(dates: Iterable[tuple[date, int]], *, max_dates: int, max_rows: int) -> Iterator[list[date]]:
    """Whole dates in the order given, at most `max_dates` and, but for a single larger date, `max_rows` at a time.

    dates: (settlement date, its rows).

    >>> days = [(date(2024, 4, day), 400) for day in (20, 21, 22)]
    >>> [[day.day for day in chunk] for chunk in chunks(days, max_dates=10, max_rows=1000)]
    [[20, 21], [22]]
    """
    return _groups(dates, max_dates, max_rows)


def period_groups(rows_per_period: Iterable[tuple[int | None, int]], max_rows: int) -> Iterator[list[int | None]]:
    """The settlement periods of one date in the order given, at most, but for a single larger period, `max_rows` rows
    at a time.

    rows_per_period: (settlement period, its rows), one per period; None stands for rows without one.

    >>> list(period_groups([(None, 1), (1, 400), (2, 400), (3, 400)], max_rows=1000))
    [[None, 1, 2], [3]]
    """
    return _groups(rows_per_period, None, max_rows)


def split_rows(frame: pl.DataFrame, max_rows: int) -> list[pl.DataFrame]:
    """The frame in slices whose column `rows` adds up to at most `max_rows`, but for a single larger row.

    >>> [part.height for part in split_rows(pl.DataFrame({"rows": [400, 400, 400]}), max_rows=1000)]
    [2, 1]
    """
    groups = _groups(enumerate(frame.get_column("rows")), None, max_rows)
    return [frame.slice(group[0], len(group)) for group in groups]


def _groups(sized: Iterable[tuple[T, int]], max_count: int | None, max_rows: int) -> Iterator[list[T]]:
    group: list[T] = []
    total = 0
    for item, rows in sized:
        if group and (len(group) == max_count or total + rows > max_rows):
            yield group
            group, total = [], 0
        group.append(item)
        total += rows
    if group:
        yield group


def halves(dates: Sequence[date]) -> tuple[Sequence[date], Sequence[date]]:
    """The two halves of some dates; the first is the larger."""
    middle = (len(dates) + 1) // 2
    return dates[:middle], dates[middle:]


def split_range(first: date, last: date) -> tuple[tuple[date, date], tuple[date, date]]:
    """The two halves of an inclusive range of at least two dates.

    >>> [[str(d) for d in half] for half in split_range(date(2024, 1, 1), date(2024, 1, 4))]
    [['2024-01-01', '2024-01-02'], ['2024-01-03', '2024-01-04']]
    """
    middle = first + (last - first) // 2
    return (first, middle), (middle + timedelta(days=1), last)
