"""Cutting dates into chunks of bounded size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta


def chunks(dates: Iterable[tuple[date, int]], *, max_dates: int, max_rows: int) -> Iterator[list[date]]:
    """Whole dates in the order given, at most `max_dates` and, but for a single larger date, `max_rows` at a time.

    dates: (settlement date, its rows).

    >>> days = [(date(2024, 4, day), 400) for day in (20, 21, 22)]
    >>> [[day.day for day in chunk] for chunk in chunks(days, max_dates=10, max_rows=1000)]
    [[20, 21], [22]]
    """
    chunk: list[date] = []
    total = 0
    for day, rows in dates:
        if chunk and (len(chunk) >= max_dates or total + rows > max_rows):
            yield chunk
            chunk, total = [], 0
        chunk.append(day)
        total += rows
    if chunk:
        yield chunk


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
