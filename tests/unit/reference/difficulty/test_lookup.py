"""Difficulty and subsidy by date: never invented."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import polars as pl
import pytest

from recon.core.schema import EPOCHS
from recon.reference.data_files import packaged
from recon.reference.difficulty import lookup
from recon.reference.difficulty.coverage import Coverage
from recon.reference.difficulty.epochs import coverage, frame
from recon.reference.difficulty.known import read_known
from recon.reference.subsidies import read_subsidies, subsidy_on_dates
from tests.support import oracle

KNOWN_THROUGH = date(2024, 5, 9)
COVERAGE = Coverage(((date(2024, 4, 11), KNOWN_THROUGH),))


def epochs(*values: tuple[datetime, str]) -> pl.DataFrame:
    rows = [(None, start, Decimal(value)) for start, value in values]
    return pl.DataFrame(rows, schema=EPOCHS, orient="row")


APRIL = epochs(
    (datetime(2024, 4, 10, 15, tzinfo=UTC), "86388558925171"), (datetime(2024, 4, 24, tzinfo=UTC), "88104191118793.5")
)


def on(day: date, coverage: Coverage = COVERAGE) -> Decimal | None:
    dates = pl.LazyFrame({"settlement_date": [day]}, schema={"settlement_date": pl.Date})
    ((_, value),) = lookup.on_dates(dates, APRIL.lazy(), coverage).collect().iter_rows()
    return value


@pytest.mark.parametrize(
    ("day", "value"),
    [
        (date(2024, 4, 10), None),
        (date(2024, 4, 11), "86388558925171"),
        (date(2024, 4, 23), "86388558925171"),
        (date(2024, 4, 24), "88104191118793.5"),
        (KNOWN_THROUGH, "88104191118793.5"),
        (date(2024, 5, 10), None),
    ],
    ids=["before the first epoch", "next midnight", "last day", "an epoch at midnight", "last known", "past it"],
)
def test_a_date_has_the_difficulty_in_force_at_its_midnight_or_none(day: date, value: str | None) -> None:
    assert on(day) == (None if value is None else Decimal(value))


def test_a_date_in_a_hole_has_none_and_those_around_it_have_theirs() -> None:
    holed = Coverage(((date(2024, 4, 11), date(2024, 4, 15)), (date(2024, 4, 25), KNOWN_THROUGH)))
    assert [on(date(2024, 4, day), holed) for day in (15, 16, 24)] == [Decimal("86388558925171"), None, None]
    assert on(date(2024, 4, 25), holed) == Decimal("88104191118793.5")
    assert on(date(2024, 4, 20), Coverage(())) is None


def test_the_order_of_dates_and_epochs_does_not_matter() -> None:
    days = [date(2024, 4, 24), date(2024, 4, 11)]
    dates = pl.LazyFrame({"settlement_date": days}, schema={"settlement_date": pl.Date})
    found = lookup.on_dates(dates, APRIL.reverse().lazy(), COVERAGE).collect()
    assert dict(found.iter_rows()) == {days[0]: Decimal("88104191118793.5"), days[1]: Decimal("86388558925171")}


def test_every_date_of_the_packaged_file_agrees_with_a_search_by_hand() -> None:
    known = read_known(packaged("difficulty.csv"))
    covered = coverage(known)
    assert covered.spans == ((date(2017, 1, 11), date(2026, 6, 24)),)
    days = pl.date_range(covered.first, covered.known_through, eager=True)
    found = lookup.on_dates(pl.LazyFrame({"settlement_date": days}), frame(known).lazy(), covered).collect()
    assert [value for _, value in found.iter_rows()] == [oracle.difficulty(day) for day in days]


@pytest.mark.parametrize(
    ("day", "btc"),
    [
        (date(2016, 7, 8), None),
        (date(2016, 7, 9), 12.5),
        (date(2020, 5, 10), 12.5),
        (date(2020, 5, 11), 6.25),
        (date(2024, 4, 19), 6.25),
        (date(2024, 4, 20), 3.125),
        (date(2030, 1, 1), 3.125),
    ],
)
def test_the_day_of_a_halving_has_the_new_subsidy(day: date, btc: float | None) -> None:
    subsidies = read_subsidies(packaged("block_subsidy.csv"))
    dates = pl.LazyFrame({"settlement_date": [day]})
    assert subsidy_on_dates(dates, subsidies.lazy()).collect().row(0) == (day, btc)


def test_decimals_are_those_that_the_values_need() -> None:
    assert lookup.decimals(APRIL) == 1
    assert lookup.decimals(APRIL.head(1)) == 0
    assert lookup.decimals(APRIL.clear()) == 0
