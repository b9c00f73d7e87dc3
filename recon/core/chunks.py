"""Cutting dates into chunks of bounded size, chunks that time out into halves, large dates into settlement periods."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, timedelta
from typing import TypeVar

from recon.core.errors import DatabaseError

CHUNK_ROWS = 75_000
"""Rows in memory at a time, as far as whole dates allow: about 40 MB per worker. With more of them to write or to judge
each takes as long or longer; with fewer, what is done once a chunk counts."""
STORED_PER_ROW = 4
"""Rows that are there, and told by aggregates, take the room of one."""
Part = TypeVar("Part")
Result = TypeVar("Result")
T = TypeVar("T")


def chunks(dates: Iterable[tuple[date, int]], *, max_dates: int, max_rows: int) -> Iterator[list[date]]:
    """Whole dates in the order given, at most `max_dates` and, but for a single larger date, `max_rows` at a time.

    dates: (settlement date, its rows).

    >>> days = [(date(2024, 4, day), 400) for day in (20, 21, 22)]
    >>> [[day.day for day in chunk] for chunk in chunks(days, max_dates=10, max_rows=1000)]
    [[20, 21], [22]]
    """
    return _groups(dates, max_dates, max_rows)


def even_chunks(dates: Sequence[tuple[date, int]], *, max_dates: int, max_rows: int, workers: int) -> list[list[date]]:
    """As `chunks`, but where rows bound them about as large as each other, and so many that workers who take turns end
    at about the same time.

    >>> days = [(date(2024, 4, day), 400) for day in range(1, 11)]
    >>> [len(chunk) for chunk in even_chunks(days, max_dates=10, max_rows=1300, workers=2)]
    [2, 3, 2, 3]
    >>> [len(chunk) for chunk in even_chunks(days, max_dates=4, max_rows=4000, workers=2)]
    [4, 4, 2]
    """
    filled = list(chunks(dates, max_dates=max_dates, max_rows=max_rows))
    if len(filled) < 2 or max(map(len, filled)) == max_dates:
        return filled
    number = -(-len(filled) // workers) * workers
    share = sum(rows for _, rows in dates) / number
    even: list[list[date]] = [[] for _ in range(number)]
    total = 0
    for day, rows in dates:
        even[min(int((total + rows / 2) / share), number - 1)].append(day)
        total += rows
    fits = max(map(len, even)) <= max_dates and max(rows for _, rows in dates) <= share
    return [chunk for chunk in even if chunk] if fits else filled


def period_groups(rows_per_period: Iterable[tuple[int | None, int]], max_rows: int) -> Iterator[list[int | None]]:
    """The settlement periods of one date in the order given, at most, but for a single larger period, `max_rows` rows
    at a time.

    rows_per_period: (settlement period, its rows), one per period; None stands for rows without one.

    >>> list(period_groups([(None, 1), (1, 400), (2, 400), (3, 400)], max_rows=1000))
    [[None, 1, 2], [3]]
    """
    return _groups(rows_per_period, None, max_rows)


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


def halves(dates: Sequence[date]) -> list[Sequence[date]]:
    """The two halves of some dates, the first one the larger; none of a single date."""
    middle = (len(dates) + 1) // 2
    return [dates[:middle], dates[middle:]] if len(dates) > 1 else []


def split_range(ends: tuple[date, date]) -> list[tuple[date, date]]:
    """The two halves of an inclusive range of dates; none of a single date.

    >>> [[str(d) for d in half] for half in split_range((date(2024, 1, 1), date(2024, 1, 4)))]
    [['2024-01-01', '2024-01-02'], ['2024-01-03', '2024-01-04']]
    """
    first, last = ends
    middle = first + (last - first) // 2
    return [(first, middle), (middle + timedelta(days=1), last)] if first < last else []


def on_timeout(cut: Callable[[Part], Sequence[Part]]) -> Callable[[Part, DatabaseError], Sequence[Part]]:
    """A rule for `halving`: what times out is cut, any other error ends the work."""
    return lambda part, error: cut(part) if error.code == "timeout" else ()


def ignored(part: object, error: DatabaseError) -> None:
    """An error after which smaller parts are tried, which nothing is notified of."""


def halving(
    work: Callable[[Part], Result],
    whole: Part,
    cut: Callable[[Part, DatabaseError], Sequence[Part]],
    retrying: Callable[[Part, DatabaseError], object] = ignored,
) -> Iterator[Result]:
    """The result of `work` on the whole, or those on its parts in order where it fails, each part on demand.

    cut: the parts to try after an error, smaller ones each time; none to let the error pass. retrying: is called with
    what failed and why before its parts are tried.

    >>> def work(dates):
    ...     if len(dates) > 2:
    ...         raise DatabaseError("too slow", code="timeout")
    ...     return [day.day for day in dates]
    >>> list(halving(work, [date(2024, 4, day) for day in (20, 21, 22)], on_timeout(halves)))
    [[20, 21], [22]]
    """
    try:
        result = work(whole)
    except DatabaseError as error:
        parts = cut(whole, error)
        if not parts:
            raise
        retrying(whole, error)
    else:
        yield result
        return
    for part in parts:
        yield from halving(work, part, cut, retrying)
