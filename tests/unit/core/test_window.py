from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recon.core.errors import ExitCode, UsageError
from recon.core.window import Window, check_period, clock_changes, parse_date, periods_in_day, today_in_london

MARCH = [date(2021, 3, 28), date(2022, 3, 27), date(2023, 3, 26), date(2024, 3, 31), date(2025, 3, 30)]
OCTOBER = [date(2021, 10, 31), date(2022, 10, 30), date(2023, 10, 29), date(2024, 10, 27), date(2025, 10, 26)]
dates = st.dates(date(1996, 1, 1), date(2037, 12, 31))


def last_sunday(year: int, month: int) -> date:
    """Counted back from the 31st, in a way of its own."""
    return max(d for d in (date(year, month, day) for day in range(1, 32)) if d.isoweekday() == 7)


@pytest.mark.parametrize("day", MARCH)
def test_the_day_the_clocks_go_forward_has_46_periods(day: date) -> None:
    assert periods_in_day(day) == 46


@pytest.mark.parametrize("day", OCTOBER)
def test_the_day_the_clocks_go_back_has_50_periods(day: date) -> None:
    assert periods_in_day(day) == 50


@given(dates)
def test_every_other_day_has_48_periods(day: date) -> None:
    expected = {last_sunday(day.year, 3): 46, last_sunday(day.year, 10): 50}
    assert periods_in_day(day) == expected.get(day, 48)


@pytest.mark.parametrize("day", [date.min, date.max, date.max - timedelta(days=1)])
def test_the_ends_of_the_calendar_have_48_periods(day: date) -> None:
    assert periods_in_day(day) == 48


def test_a_year_has_its_half_hours_and_no_more() -> None:
    year = [date(2024, 1, 1) + timedelta(days=n) for n in range(366)]
    assert sum(map(periods_in_day, year)) == 366 * 48


def test_clock_changes_are_the_days_that_are_not_usual() -> None:
    assert clock_changes(2021, 2025) == dict.fromkeys(MARCH, 46) | dict.fromkeys(OCTOBER, 50)


@pytest.mark.parametrize(
    ("now", "today"),
    [
        (datetime(2024, 7, 1, 22, 59, tzinfo=UTC), date(2024, 7, 1)),
        (datetime(2024, 7, 1, 23, 0, tzinfo=UTC), date(2024, 7, 2)),
        (datetime(2024, 12, 1, 23, 59, tzinfo=UTC), date(2024, 12, 1)),
    ],
)
def test_today_is_the_date_on_a_clock_in_london(now: datetime, today: date) -> None:
    assert today_in_london(now) == today


@given(st.dates())
def test_a_date_is_read_as_it_is_written(day: date) -> None:
    assert parse_date(day.isoformat()) == day


@pytest.mark.parametrize(
    "text",
    ["", "yesterday", "2024-02-30", "2024-4-20", "20240420", "20-04-2024", "2024-04-20 ", "\uff12024-04-20"],
)
def test_anything_else_is_not_a_date(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_date(text)
    assert caught.value.message == f"{text!r} is not a date"
    assert caught.value.exit_code is ExitCode.USAGE


@pytest.mark.parametrize(("day", "last"), [(MARCH[3], 46), (OCTOBER[3], 50), (date(2024, 4, 20), 48)])
def test_a_period_has_to_be_one_of_the_day(day: date, last: int) -> None:
    assert [check_period(day, period) for period in (1, last)] == [1, last]
    for period in (0, -1, last + 1):
        with pytest.raises(UsageError, match=f"{day} has no settlement period {period}; .* periods 1 to {last}"):
            check_period(day, period)


def test_a_window_holds_both_its_ends() -> None:
    window = Window.parse("2024-04-19", "2024-04-20")
    inside = [day for day in (date(2024, 4, n) for n in range(18, 22)) if day in window]
    assert inside == [date(2024, 4, 19), date(2024, 4, 20)]


@given(dates, dates, dates)
def test_a_date_is_in_a_window_when_it_is_within_its_bounds(a: date, b: date, day: date) -> None:
    first, last = sorted((a, b))
    assert (day in Window(first, last)) == (first <= day <= last)
    assert (day in Window(first, None)) == (first <= day)
    assert (day in Window(None, last)) == (day <= last)
    assert day in Window()


def test_an_open_window_is_bounded_by_the_calendar() -> None:
    assert Window().bounds == (date.min, date.max)
    assert Window.parse(None, None) == Window()


def test_a_window_of_one_date_is_fine_and_a_reversed_one_is_not() -> None:
    assert Window.parse("2024-04-20", "2024-04-20").bounds == (date(2024, 4, 20), date(2024, 4, 20))
    with pytest.raises(UsageError, match="the window is reversed: 2024-04-20 is after 2024-04-19"):
        Window.parse("2024-04-20", "2024-04-19")


def test_a_window_shows_open_ends_as_null() -> None:
    assert Window.parse("2024-03-20", None).to_dict() == {"first": "2024-03-20", "last": None}
