"""Difficulty and block subsidy by settlement date. Never invented: outside coverage there is null."""

from __future__ import annotations

import polars as pl

from recon.core.schema import EPOCHS
from recon.reference.difficulty.coverage import Coverage


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


def decimals(epochs: pl.DataFrame) -> int:
    """How many decimals the difficulties need: 0 when all are integers, at most 8."""
    texts = epochs.get_column("difficulty").cast(pl.String).to_list()
    return max((len(text.partition(".")[2].rstrip("0")) for text in texts), default=0)
