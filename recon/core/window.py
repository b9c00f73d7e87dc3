"""Settlement dates, periods and windows of dates.

A settlement day is a calendar day in Great Britain (Europe/London): 48 half-hour settlement
periods, 46 on the day the clocks go forward, 50 on the day they go back.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from recon.core.errors import UsageError

LONDON = ZoneInfo("Europe/London")
HALF_HOUR = timedelta(minutes=30)
USUAL_PERIODS = 48
MAX_FEED_AGE_DAYS = 7
"""How old the newest curtailment may be: settlement data come within some working days, and a week spans holidays."""


@cache
def periods_in_day(day: date) -> int:
    """How many half-hour settlement periods a settlement date has.

    >>> [periods_in_day(date(2024, 3, day)) for day in (30, 31)], periods_in_day(date(2024, 10, 27))
    ([48, 46], 50)
    """
    if day >= date.max - timedelta(days=1) or day == date.min:
        return USUAL_PERIODS
    midnights = (datetime.combine(d, time(), LONDON).astimezone(UTC) for d in (day, day + timedelta(days=1)))
    start, end = midnights
    return (end - start) // HALF_HOUR


@cache
def clock_changes(first_year: int, last_year: int) -> dict[date, int]:
    """The dates in these years that do not have 48 settlement periods, with the number they have.

    >>> clock_changes(2024, 2024)
    {datetime.date(2024, 3, 31): 46, datetime.date(2024, 10, 27): 50}
    """
    sundays = (
        date(year, month, 31) - timedelta(days=(date(year, month, 31).weekday() + 1) % 7)
        for year in range(first_year, last_year + 1)
        for month in (3, 10)
    )
    return {day: periods_in_day(day) for day in sundays if periods_in_day(day) != USUAL_PERIODS}


def today_in_london(now: datetime) -> date:
    """The settlement date that is running at `now` (an aware datetime)."""
    return now.astimezone(LONDON).date()


def parse_date(text: str) -> date:
    """An ISO date, or UsageError in one line.

    >>> parse_date("2024-04-20")
    datetime.date(2024, 4, 20)
    """
    try:
        if not re.fullmatch(r"\d{4}-\d\d-\d\d", text):
            raise ValueError(text)
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{text!r} is not a date", "dates are written YYYY-MM-DD, as in 2024-04-20") from None


def check_period(day: date, period: int) -> int:
    """`period` if the day has it, else UsageError."""
    last = periods_in_day(day)
    if not 1 <= period <= last:
        raise UsageError(f"{day} has no settlement period {period}", f"that day has periods 1 to {last}")
    return period


@dataclass(frozen=True)
class Window:
    """An inclusive range of settlement dates; either end may be open (None)."""

    first: date | None = None
    last: date | None = None

    def __post_init__(self) -> None:
        if self.first and self.last and self.first > self.last:
            raise UsageError(
                f"the window is reversed: {self.first} is after {self.last}", "give the earlier date first"
            )

    @classmethod
    def parse(cls, first: str | None, last: str | None) -> Window:
        """The window that two optional ISO dates span; UsageError for a bad or reversed one."""
        return cls(first and parse_date(first), last and parse_date(last))  # type: ignore[arg-type]

    @property
    def bounds(self) -> tuple[date, date]:
        """Both ends as dates the server can compare with; an open end is the calendar's own."""
        return self.first or date.min, self.last or date.max

    def __contains__(self, day: date) -> bool:
        first, last = self.bounds
        return first <= day <= last

    def to_dict(self) -> dict[str, str | None]:
        """`{"first": "2024-03-20", "last": null}`."""
        return {
            "first": self.first.isoformat() if self.first else None,
            "last": self.last.isoformat() if self.last else None,
        }
