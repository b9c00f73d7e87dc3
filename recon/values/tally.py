"""Verdicts counted by settlement date, miner model and difficulty."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from recon.core.schema import CAUSE, KEY, SIDE, FrameSchema

MIXED: FrameSchema = {
    "settlement_date": pl.Date,
    "miner_model": pl.String,
    "of_date": pl.Int64,
    "difficulties": pl.Int64,
    "rows": pl.Int64,
    "found": pl.List(pl.Float64),
    "settlement_period": pl.Int32,
    "farm_id": pl.String,
    "stored_difficulty": pl.Float64,
    "expected_difficulty": pl.Float64,
}
"""One row per settlement date and miner model: how many difficulties the date has and the model, the lowest of them,
and one row as example."""
MOST_SHOWN = 10

TALLY: FrameSchema = {
    "settlement_date": pl.Date,
    "miner_model": pl.String,
    "verdict": pl.String,
    "stored_difficulty": pl.Float64,
    "rows": pl.Int64,
    "settlement_period": pl.Int32,
    "farm_id": pl.String,
    "row_id": pl.String,
    "stored_btc": pl.Float64,
    "expected_btc": pl.Float64,
    "expected_difficulty": pl.Float64,
}
"""One row per settlement date, miner model, verdict and stored difficulty (few, but where each row has its own): how
many rows, and the first of them as example."""


def tally(judged: pl.LazyFrame) -> pl.LazyFrame:
    """TALLY of judged rows, from which summaries are made. Tallies of different settlement periods can be put one under
    the other: together they say what that of all of them does.
    """
    first = ("settlement_period", "farm_id", "row_id")
    example = pl.struct(*first, "stored_btc", "expected_btc", "expected_difficulty").sort_by(*first).first()
    return (
        judged.group_by("settlement_date", "miner_model", "verdict", "stored_difficulty")
        .agg(pl.len().cast(pl.Int64).alias("rows"), example=example)
        .unnest("example")
        .select(TALLY.keys())
    )


WRONG_BY: FrameSchema = {
    "settlement_date": pl.Date,
    "miner_model": pl.String,
    "cause": CAUSE,
    "rows": pl.Int64,
    "settlement_period": pl.Int32,
    "farm_id": pl.String,
    "stored_btc": pl.Float64,
    "expected_btc": pl.Float64,
    "energy_mwh": pl.Float64,
}
"""One row per settlement date, miner model and cause: how many wrong rows, and the first of them as example, with its
key's energy where that is the cause."""


def wrong_by(judged: pl.DataFrame, keys: pl.DataFrame) -> pl.DataFrame:
    """WRONG_BY of judged rows. keys: `energy_mwh` of every key with a stale row."""
    first = pl.struct("settlement_period", "farm_id", "stored_btc", "expected_btc").sort_by(
        "settlement_period", "farm_id", "row_id"
    )
    rows = judged.lazy().filter(pl.col("cause").is_not_null()).group_by(*SIDE, "cause")
    found = rows.agg(rows=pl.len().cast(pl.Int64), example=first.first()).unnest("example")
    found = found.join(keys.lazy().select(*KEY, "energy_mwh"), on=KEY, how="left")
    energy = pl.when(pl.col("cause") == "wrong_energy").then("energy_mwh")
    return found.with_columns(energy_mwh=energy).select(WRONG_BY.keys()).collect()


def together(pieces: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """WRONG_BY of all rows, from that of different settlement periods."""
    example = pl.all().exclude("rows").sort_by("settlement_period", "farm_id").first()
    return pl.concat(pieces).group_by(*SIDE, "cause").agg(pl.col("rows").sum(), example).select(WRONG_BY.keys())


def summarize(tally: pl.LazyFrame) -> pl.LazyFrame:
    """One row per settlement date, miner model and verdict: `rows` and one example (period, farm, BTC both ways).

    Summaries of different dates can be put one under the other.
    """
    example = pl.col("settlement_period", "farm_id", "stored_btc", "expected_btc").sort_by(
        "settlement_period", "farm_id", "row_id"
    )
    return (
        tally.group_by("settlement_date", "miner_model", "verdict")
        .agg(pl.col("rows").sum(), example.first())
        .sort("settlement_date", "miner_model", "verdict")
    )


def several_difficulties(tally: pl.LazyFrame) -> pl.LazyFrame:
    """MIXED: the settlement dates whose stored rows have more than one difficulty.

    The example is the first row that has not the date's own.
    """
    placed = tally.filter(~pl.col("verdict").is_in(["unknown_model", "orphan"]))
    of_date = pl.col("stored_difficulty").n_unique().over("settlement_date").cast(pl.Int64)
    mixed = placed.with_columns(of_date=of_date).filter(pl.col("of_date") > 1)
    other = pl.col("stored_difficulty").eq_missing(pl.col("expected_difficulty"))
    example = pl.col("settlement_period", "farm_id", "stored_difficulty", "expected_difficulty").sort_by(
        other, "settlement_period", "farm_id", "row_id"
    )
    return (
        mixed.group_by("settlement_date", "miner_model")
        .agg(
            pl.col("of_date").first(),
            difficulties=pl.col("stored_difficulty").n_unique().cast(pl.Int64),
            rows=pl.col("rows").sum(),
            found=pl.col("stored_difficulty").unique().sort().head(MOST_SHOWN),
            example=pl.struct(example.first()),
        )
        .unnest("example")
        .sort("settlement_date", "miner_model")
    )
