"""Difficulty and block subsidy by settlement date. Never invented: outside coverage there is null."""

from __future__ import annotations

import polars as pl

from recon.coverage import Coverage
from recon.schema import EPOCHS, SUBSIDIES


def on_dates(dates: pl.LazyFrame, epochs: pl.LazyFrame, coverage: Coverage) -> pl.LazyFrame:
    """The difficulty in force at 00:00 UTC of each date; null where it is not covered.

    dates: one row per settlement_date. epochs: schema.EPOCHS. One row per date comes back.
    """
    midnight = pl.col("settlement_date").cast(pl.Datetime("us", "UTC"))
    in_force = (
        dates.with_columns(midnight=midnight)
        .sort("midnight")
        .join_asof(
            epochs.cast(EPOCHS).sort("starts_at_utc"),  # type: ignore[arg-type]
            left_on="midnight",
            right_on="starts_at_utc",
            strategy="backward",
        )
    )
    spans = (pl.col("settlement_date").is_between(first, last) for first, last in coverage.spans)
    covered = pl.any_horizontal(pl.lit(False), *spans)
    return in_force.select("settlement_date", difficulty=pl.when(covered).then("difficulty"))


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


def decimals(epochs: pl.DataFrame) -> int:
    """How many decimals the difficulties need: 0 when all are integers, at most 8."""
    texts = epochs.get_column("difficulty").cast(pl.String).to_list()
    return max((len(text.partition(".")[2].rstrip("0")) for text in texts), default=0)
