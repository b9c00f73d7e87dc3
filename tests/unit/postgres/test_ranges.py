"""Which calculations the table's numeric columns have not enough digits for."""

from __future__ import annotations

from decimal import Decimal

import polars as pl
import pytest

from recon.core.errors import DatabaseError
from recon.core.schema import BTC, CALC_KEY_SCHEMA
from recon.core.settings import Settings
from recon.postgres.layout import Column, Layout
from recon.postgres.ranges import check_range
from tests.support.builders import DAY

DIFFICULTY = Decimal("86388558925171.02")


def layout(bitcoin_mined: Column) -> Layout:
    settings = Settings()
    stored = {"bitcoin_mined": bitcoin_mined, "difficulty": Column("numeric")}
    return Layout(
        settings.curtailment,
        settings.calculations,
        source_columns={"volume": Column("numeric")},
        stored_columns=stored,
        calculations_oid=1,
        partitioned=False,
        unique_index=True,
    )


def calculations(*btc: str) -> pl.DataFrame:
    """One calculation per settlement period, from 1."""
    rows = [(DAY, period, "T_A-1", "S9", Decimal(value), DIFFICULTY) for period, value in enumerate(btc, 1)]
    schema = {**CALC_KEY_SCHEMA, "bitcoin_mined": BTC, "difficulty": pl.Decimal(38, 8)}
    return pl.DataFrame(rows, schema=schema, orient="row")


@pytest.mark.parametrize(
    ("column", "most"),
    [
        (Column("numeric", decimals=8, digits=9), "9.99999999"),
        (Column("numeric", decimals=8, digits=18), "9999999999.99999999"),  # as a float that is 10,000,000,000
        (Column("numeric", decimals=10, digits=8), "0.00999999"),
        (Column("numeric", decimals=-2, digits=3), "99949"),
        (Column("numeric", decimals=0, digits=1000), "999999999999999999999.99999999"),
        (Column("numeric"), "999999999999999999999.99999999"),
        (Column("float8"), "999999999999999999999.99999999"),
    ],
)
def test_a_number_that_fits_is_let_through(column: Column, most: str) -> None:
    check_range(calculations("0", most), layout(column))


@pytest.mark.parametrize(
    ("column", "least"),
    [
        (Column("numeric", decimals=8, digits=9), "10"),
        (Column("numeric", decimals=8, digits=18), "10000000000"),
        (Column("numeric", decimals=10, digits=8), "0.01"),
        (Column("numeric", decimals=-2, digits=3), "100000"),
        (Column("numeric", decimals=10, digits=1), "0.00000001"),
    ],
)
def test_the_first_that_does_not_is_named_and_all_are_counted(column: Column, least: str) -> None:
    rows = calculations("0", least, str(Decimal(least) * 2)).reverse()
    with pytest.raises(DatabaseError, match=rf"{DAY} 2 T_A-1 S9 has a bitcoin_mined .*\(2 such rows\)") as caught:
        check_range(rows, layout(column))
    assert caught.value.sqlstate == "22003"
