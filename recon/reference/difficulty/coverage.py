"""The dates whose difficulty is known: intervals, since there may be holes between them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise

from recon.core.wording import between, counted

DAY = timedelta(days=1)
Span = tuple[date, date]
"""The first and the last date, both included."""
MOST_NAMED = 3
"""Holes that a line names."""


@dataclass(frozen=True)
class Coverage:
    """The dates whose difficulty is known, as intervals in order of time that do not touch."""

    spans: tuple[Span, ...]

    @classmethod
    def of(cls, spans: Iterable[Span]) -> Coverage:
        """Spans in any order, which may overlap or touch; empty ones (last before first) do not count.

        >>> one, two = (date(2024, 1, 1), date(2024, 1, 3)), (date(2024, 1, 4), date(2024, 1, 5))
        >>> len(Coverage.of([two, one]).spans)
        1
        """
        joined: list[Span] = []
        for first, last in sorted(span for span in spans if span[0] <= span[1]):
            if joined and first <= joined[-1][1] + DAY:
                joined[-1] = (joined[-1][0], max(joined[-1][1], last))
            else:
                joined.append((first, last))
        return cls(tuple(joined))

    def __contains__(self, day: date) -> bool:
        return any(first <= day <= last for first, last in self.spans)

    @property
    def first(self) -> date:
        """The first date whose difficulty is known."""
        return self.spans[0][0]

    @property
    def known_through(self) -> date:
        """The last date whose difficulty is known; dates before it may be in a hole."""
        return self.spans[-1][1]

    @property
    def holes(self) -> tuple[Span, ...]:
        """What lies between the intervals."""
        return tuple((one[1] + DAY, other[0] - DAY) for one, other in pairwise(self.spans))

    def through(self, day: date) -> date:
        """The last date up to which difficulty is known without a hole from `day` on; if the day itself is not
        covered, the last one before it that is (the day before the first interval where there is none).
        """
        before = [span for span in self.spans if span[0] <= day]
        return before[-1][1] if before else self.first - DAY

    def days_left(self, day: date) -> int:
        """Days from a date to the last one whose difficulty is known without a hole; below 0 for one that is not
        covered: how long ago coverage ended, or how long it is until it begins.
        """
        return -abs((self.first - day).days) if day < self.first else (self.through(day) - day).days

    def lost(self, other: Coverage) -> Coverage:
        """What this covers and the other does not."""
        days = (first + DAY * n for first, last in self.spans for n in range((last - first).days + 1))
        return Coverage.of((day, day) for day in days if day not in other)


def hole_text(holes: Sequence[Span]) -> str:
    """Holes in words: all where they are few.

    >>> hole_text([(date(2026, 6, 25), date(2026, 8, 28))])
    '65 dates, 2026-06-25 to 2026-08-28'
    """
    days = counted(sum((last - first).days + 1 for first, last in holes), "date")
    named = [between(first, last) for first, last in holes[:MOST_NAMED]]
    more = f" and {len(holes) - MOST_NAMED:,} more" if len(holes) > MOST_NAMED else ""
    return f"{days}, {', '.join(named)}{more}"
