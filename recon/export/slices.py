"""The reconciled slice: one row per key, with its energy and the BTC of every miner model side by side.

A BTC value is there when a row is stored for the key and model and that row is right; else it is null. So a slice never
passes on a value that is known to be wrong, and what is missing in the table is missing in the slice.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from recon.core import gaps, schema
from recon.core.schema import BTC, ENERGY, EPOCHS, KEY, SIDE, STORED, SUBSIDIES, FrameSchema

RIGHT = ("ok", "whole")
"""Verdicts of the stored rows that a slice passes on (see audit)."""
DIFFICULTY = EPOCHS["difficulty"]
MOST_MWH = 1e15
"""No key has as much energy; above it the arithmetic ends."""
STATED: FrameSchema = {
    "settlement_date": pl.Date,
    "source_rows": pl.Int64,
    "invalid": pl.Int64,
    "keys": pl.Int64,
}
"""One row per settlement date of the curtailment, as it was when the slice was taken."""


def columns(models: Sequence[str]) -> FrameSchema:
    """The columns of a slice.

    >>> list(columns(["S9"]))
    ['settlement_date', 'settlement_period', 'farm_id', 'energy_mwh', 'btc_S9', 'difficulty', 'subsidy_btc']
    """
    btc = {_column(model): BTC for model in models}
    return {**ENERGY, **btc, "difficulty": DIFFICULTY, "subsidy_btc": SUBSIDIES["subsidy_btc"]}


def _column(model: str) -> str:
    return f"btc_{model}"


def taken(keys: pl.DataFrame, terms: pl.DataFrame, right: pl.DataFrame, models: Sequence[str]) -> pl.DataFrame:
    """The slice of some whole dates, in order of key.

    keys: ENERGY. terms: one row per settlement date with `difficulty` and `subsidy_btc`. right: one row per CALC_KEY
    with the BTC that is passed on, as `bitcoin_mined` (schema.BTC).
    """
    named = right.with_columns(column="btc_" + pl.col("miner_model"))
    on = [_column(model) for model in models]
    beside = named.pivot("column", on_columns=on, index=KEY, values="bitcoin_mined", aggregate_function="first")
    rows = keys.join(terms, on="settlement_date", how="left").join(beside, on=KEY, how="left")
    return rows.select(pl.col(name).cast(kind) for name, kind in columns(models).items()).sort(KEY)


def stored(rows: pl.DataFrame, models: Sequence[str]) -> pl.DataFrame:
    """audit.STORED: one row per BTC value of a slice; its row names it."""
    on = [_column(model) for model in models]
    values = rows.with_row_index("_row").unpivot(on, index=["_row", *KEY, "difficulty"], value_name="btc")
    return (
        values.filter(pl.col("btc").is_not_null())
        .select(
            *KEY,
            row_id=pl.col("_row").cast(pl.String).str.zfill(12),
            miner_model=pl.col("variable").str.strip_prefix("btc_"),
            stored_btc=pl.col("btc").cast(pl.Float64),
            stored_difficulty=pl.col("difficulty").cast(pl.Float64),
        )
        .select(pl.col(name).cast(kind) for name, kind in STORED.items())
    )


def keys(rows: pl.DataFrame) -> pl.DataFrame:
    """The keys of a slice whose energy is possible, each once, as tables.SOURCE_ROWS."""
    possible = pl.col("energy_mwh").is_between(0, MOST_MWH).fill_null(False)
    once = rows.select(ENERGY.keys()).unique(KEY, keep="first", maintain_order=True)
    return once.filter(possible).with_columns(
        source_rows=pl.lit(1, pl.Int64), row_mwh=pl.concat_list("energy_mwh").cast(pl.List(pl.Float64))
    )


def against(counts: pl.DataFrame, stated: pl.DataFrame, models: Sequence[str]) -> pl.DataFrame:
    """gaps.COUNTS with as many keys expected as there were when the slice was taken.

    counts: gaps.COUNTS of the rows that are there (a date as often as it was counted). stated: STATED. Keys that were
    lost are missing; of keys that came in addition it is not known which they are, but their calculations are orphans.
    """
    wanted = stated.select("settlement_date", "keys").join(gaps.named(models).collect(), how="cross")
    found = counts.group_by(SIDE).agg(pl.col("matched", "duplicate", "orphan").sum())
    sides = wanted.join(found, on=SIDE, how="full", coalesce=True, nulls_equal=True)
    sides = sides.with_columns(pl.col("keys", "matched", "duplicate", "orphan").fill_null(0))
    matched = pl.min_horizontal("matched", "keys")
    return sides.select(
        *SIDE,
        expected="keys",
        matched=matched,
        duplicate="duplicate",
        orphan=pl.col("orphan") + pl.col("matched") - matched,
    ).cast(schema.COUNTS)  # type: ignore[arg-type]
