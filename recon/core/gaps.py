"""Missing, matched, duplicate and orphan rows: joins between the expected and the stored calculations.

Keys and calculations meet in anti-joins, so that duplicates and orphans can never offset what is missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import polars as pl

from recon.core.schema import CALC_KEY, COUNTS, KEY, SIDE


def expected(keys: pl.LazyFrame, miners: pl.LazyFrame) -> pl.LazyFrame:
    """Every key with every miner model: what the calculations table should hold exactly once.

    keys: one row per KEY. miners: one row per miner_model. One row per CALC_KEY comes back.
    """
    return keys.join(miners, how="cross")


def named(models: Sequence[str]) -> pl.LazyFrame:
    """The miner models as a frame: one row per miner_model."""
    return pl.LazyFrame({"miner_model": list(models)}, schema={"miner_model": pl.String})


def missing(wanted: pl.LazyFrame, done: pl.LazyFrame) -> pl.LazyFrame:
    """The rows of `wanted` (one per CALC_KEY) that have no stored calculation, in their order.

    done: CALC_KEYs, repeated or not.
    """
    return wanted.join(done, on=CALC_KEY, how="anti", maintain_order="left")


def orphans(wanted: pl.LazyFrame, done: pl.LazyFrame) -> pl.LazyFrame:
    """Orphans: stored rows without an expected key (no curtailment of it) or model (not configured)."""
    return done.join(wanted, on=CALC_KEY, how="anti", nulls_equal=False)


def count(keys: pl.LazyFrame, miners: pl.LazyFrame, done: pl.LazyFrame) -> pl.LazyFrame:
    """COUNTS by comparing every key: one row per settlement date and miner model.

    keys: one row per KEY. miners: one row per miner_model. done: one row per stored calculation.
    """
    wanted = expected(keys.select(KEY), miners.select("miner_model"))
    pairs = done.join(wanted, on=CALC_KEY, how="semi").group_by(CALC_KEY).len("rows")
    per_pair = pairs.group_by(SIDE).agg(
        matched=pl.len().cast(pl.Int64), duplicate=(pl.col("rows").cast(pl.Int64) - 1).sum()
    )
    per_wanted = wanted.group_by(SIDE).agg(expected=pl.len().cast(pl.Int64))
    per_orphan = orphans(wanted, done).group_by(SIDE).agg(orphan=pl.len().cast(pl.Int64))
    both = per_wanted.join(per_pair, on=SIDE, how="left")
    counted = both.join(per_orphan, on=SIDE, how="full", coalesce=True, nulls_equal=True)
    return counted.select(
        *SIDE, *(pl.col(name).fill_null(0) for name in ("expected", "matched", "duplicate", "orphan"))
    ).cast(COUNTS)  # type: ignore[arg-type]


def together(parts: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """The sum of COUNTS of different keys: whole dates whose settlement periods were counted apart."""
    return pl.concat([pl.DataFrame(schema=COUNTS), *parts]).group_by(SIDE).agg(pl.all().sum())


def after(
    keys: pl.DataFrame, models: list[str], done: pl.DataFrame, added: pl.DataFrame, *, all_gaps: bool
) -> pl.DataFrame:
    """COUNTS of some whole dates once `added` (CALC_KEYs, none of them in `done`) is stored beside `done`.

    all_gaps: whether `added` is all that was missing. Then no pair is, and where there are as many rows as keys each
    has one; only other dates are compared key by key.
    """
    stored = pl.concat([done.select(CALC_KEY), added.select(CALC_KEY)])
    same = pl.lit("all there").alias("checksum")
    source = keys.group_by("settlement_date").agg(pl.len().cast(pl.Int64).alias("keys")).with_columns(same)
    rows = stored.group_by(SIDE).agg(pl.len().cast(pl.Int64).alias("rows")).with_columns(same)
    counts, disputed = judge(source, rows, models, deep=not all_gaps)
    some = pl.col("settlement_date").is_in(disputed)
    return pl.concat([counts, count(keys.lazy().filter(some), named(models), stored.lazy().filter(some)).collect()])


def judge(
    source: pl.DataFrame, stored: pl.DataFrame, models: list[str], *, deep: bool = False
) -> tuple[pl.DataFrame, list[date]]:
    """What the aggregates alone prove: COUNTS of the settled dates, and the dates that need their keys compared.

    source: one row per settlement date with `keys` and `checksum`; stored: one row per settlement date and miner
    model with `rows` and `checksum` (order-independent sums of one 64-bit hash per key). A model of a date is
    settled when nothing is stored for it, when it is not configured, or when rows and checksum equal the keys'.
    With `deep` no date is, and every key is compared.
    """
    configured = named(models).collect()
    wanted = source.filter(pl.col("keys") > 0).select("settlement_date", "keys", key_checksum="checksum")
    sides = wanted.join(configured, how="cross").join(
        stored.select(*SIDE, "rows", "checksum"), on=SIDE, how="full", coalesce=True, nulls_equal=True
    )
    sides = sides.with_columns(pl.col("keys", "rows").fill_null(0))
    nothing = pl.col("rows") == 0
    not_expected = pl.col("keys") == 0  # no key on the date, or a model that is not configured: all rows are orphans
    same = (pl.col("rows") == pl.col("keys")) & (pl.col("checksum") == pl.col("key_checksum"))
    sides = sides.with_columns(settled=(nothing | not_expected | same).fill_null(False) & (not deep))
    disputed = sides.filter(~pl.col("settled")).get_column("settlement_date").unique().sort().to_list()
    counts = sides.filter(~pl.col("settlement_date").is_in(disputed)).select(
        *SIDE,
        expected="keys",
        matched=pl.when(not_expected).then(0).otherwise(pl.col("rows")),
        duplicate=pl.lit(0),
        orphan=pl.when(not_expected).then(pl.col("rows")).otherwise(0),
    )
    return counts.cast(COUNTS), disputed  # type: ignore[arg-type]
