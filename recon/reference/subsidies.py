"""Block subsidies: the reward of a block in BTC, which halves every 210,000 blocks."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl

from recon.core.schema import SUBSIDIES
from recon.reference.data_lines import read_lines
from recon.reference.miner_models import positive_float


def subsidy_on_dates(dates: pl.LazyFrame, subsidies: pl.LazyFrame) -> pl.LazyFrame:
    """The block subsidy in BTC of each date (the day of a halving has the new one); null before the first."""
    return (
        dates.sort("settlement_date")
        .join_asof(
            subsidies.cast(SUBSIDIES).sort("starts_on"),  # type: ignore[arg-type]
            left_on="settlement_date",
            right_on="starts_on",
            strategy="backward",
        )
        .select("settlement_date", "subsidy_btc")
    )


HALVINGS = tuple(50 / 2**n for n in range(33))


def read_subsidies(path: Path) -> pl.DataFrame:
    """schema.SUBSIDIES from a CSV file, in order of date."""
    rows: list[tuple[date, float]] = []
    for line in read_lines(path, tuple(SUBSIDIES)):
        starts_on = line.get("starts_on", date.fromisoformat, "a date, YYYY-MM-DD")
        if rows and starts_on <= rows[-1][0]:
            raise line.wrong(f"{starts_on} comes after {rows[-1][0]}", "sort the lines by date, one per date")
        subsidy_btc = line.get("subsidy_btc", positive_float, "BTC above 0")
        if wrong := subsidy_problem(subsidy_btc, rows[-1][1] if rows else None):
            raise line.wrong(wrong, "a block pays 50 BTC, halved time after time: 50, 25, 12.5, 6.25, 3.125, ...")
        rows.append((starts_on, subsidy_btc))
    return pl.DataFrame(rows, schema=SUBSIDIES, orient="row")


def subsidy_problem(subsidy_btc: float, before: float | None) -> str | None:
    """What is wrong with a block subsidy that no halving leads to; halves of floats are exact.

    >>> subsidy_problem(3.125, 6.25), subsidy_problem(3125, None)
    (None, 'subsidy_btc is 3125, which is no halving of 50')
    """
    if subsidy_btc not in HALVINGS:
        return f"subsidy_btc is {subsidy_btc:.15g}, which is no halving of 50"
    if before is not None and HALVINGS.index(subsidy_btc) != HALVINGS.index(before) + 1:
        return f"subsidy_btc is {subsidy_btc:.15g} after {before:.15g}, which is not the half of it"
    return None
