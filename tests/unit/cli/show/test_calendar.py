"""A date's colour is decided by whole numbers; the terminal says it in characters, too."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from recon.analysis.calendar import Band, Day, months
from recon.cli.show import calendar
from tests.support.builders import DAY, days


def standing(day: date = DAY, expected: int = 10, matched: int = 10, **more: int) -> Day:
    counts = {"duplicate": 0, "orphan": 0} | more
    return Day(day, expected, matched, expected - matched, **counts)


@pytest.mark.parametrize(
    ("day", "band", "sign"),
    [
        (standing(), Band.RECONCILED, "#"),
        (standing(wrong=0), Band.RECONCILED, "#"),
        (standing(wrong=1), Band.SURPLUS, "+"),
        (standing(duplicate=1), Band.SURPLUS, "+"),
        (standing(expected=0, matched=0, orphan=1), Band.SURPLUS, "+"),
        (standing(expected=1_000_000, matched=999_999), Band.MOST, "9"),
        (standing(matched=9), Band.MOST, "9"),
        (standing(expected=1000, matched=899), Band.HALF, "8"),
        (standing(matched=5, wrong=0), Band.HALF, "5"),
        (standing(matched=5, orphan=3), Band.HALF, "!"),
        (standing(matched=9, wrong=1), Band.MOST, "!"),
        (standing(expected=1000, matched=499), Band.LITTLE, "4"),
        (standing(expected=1000, matched=1), Band.LITTLE, "0"),
        (standing(matched=0), Band.EMPTY, "-"),
        (standing(matched=0, orphan=2), Band.EMPTY, "!"),
    ],
)
def test_a_date_that_lacks_one_row_is_not_called_reconciled(day: Day, band: Band, sign: str) -> None:
    assert (day.band, day.reconciled) == (band, band is Band.RECONCILED)
    (line,) = calendar.calendar(months([day])).columns[1].cells
    assert str(line) == "." * (DAY.day - 1) + sign


def test_values_that_were_not_checked_stay_unknown_in_a_month() -> None:
    (month,) = months([standing(day) for day in days(DAY, 3)])
    assert month.to_dict() == {
        "month": "2024-04",
        "dates": 3,
        "reconciled": 3,
        "expected": 30,
        "matched": 30,
        "missing": 0,
        "duplicate": 0,
        "orphan": 0,
        "wrong": None,
        "percent": 100.0,
    }
    (checked,) = months([standing(DAY, wrong=2), standing(DAY + timedelta(1), wrong=3)])
    assert (checked.total("wrong"), checked.reconciled) == (5, 0)


def test_reconciled_months_share_a_line_and_all_others_have_one() -> None:
    whole = [standing(day) for day in days(date(2023, 1, 1), 181)]
    gaps = [standing(date(2023 + month // 12, month % 12 + 1, 1), matched=0) for month in range(6, 20)]
    table = calendar.calendar(months([*whole, *gaps]))
    names, dates, in_order, missing = ([str(cell) for cell in column.cells] for column in table.columns)
    assert (len(names), names[0], names[1]) == (15, "2023-01", "2023-07")
    assert (names[-1], dates[-1], in_order[-1], missing[-1]) == ("2024-08", "-", "0/1", "10")
    alone = calendar.calendar(months(whole))
    assert [next(column.cells) for column in alone.columns[::3]] == ["2023-01", "0"]
    assert str(next(iter(alone.columns[1].cells))) == "to 2023-06: all reconciled"
    assert list(alone.columns[2].cells) == ["181/181"]
