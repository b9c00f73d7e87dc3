"""The shape of the gaps within a date: whole farms, whole settlement periods, or single calculations here and there.

A miner model that has no row at all on a date says nothing about farms or periods, so each date is looked at through
the models that it has begun.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl

from recon.core import gaps
from recon.core.schema import KEY

DATE, PERIOD, FARM = KEY
FEWEST_KEYS = 2
"""A farm or a period with a single key is a missing key, not a pattern."""

SHAPES: dict[str, Any] = {
    "settlement_date": pl.Date,
    "farms": pl.Int64,
    "farms_missing": pl.List(pl.String),
    "periods_missing": pl.List(pl.Int32),
    "rows_in_farms": pl.Int64,
    "rows_in_periods": pl.Int64,
    "scattered": pl.Int64,
}
"""One row per settlement date with gaps in a begun model: the farms it has keys of, the farms and the settlement
periods of which nothing is stored though other farms and periods have rows, and the missing rows that they hold
(a row of both is counted with the periods); `scattered` is the rest."""

FARM_GAPS: dict[str, Any] = {"farm_id": pl.String, "expected": pl.Int64, "missing": pl.Int64, "dates": pl.List(pl.Date)}
"""One row per farm: the rows that the compared dates should hold of it, those that they lack (all models), and the
dates that lack some."""


def marked(keys: pl.LazyFrame, models: Sequence[str], done: pl.LazyFrame) -> pl.LazyFrame:
    """One row per expected CALC_KEY with `absent`: whether no row of it is stored.

    keys: one row per KEY. models: the miner models. done: one row per stored calculation.
    """
    wanted = gaps.expected(keys.select(KEY), gaps.named(models))
    lost = gaps.missing(wanted, done).select(*KEY, "miner_model", absent=pl.lit(True))
    return wanted.join(lost, on=[*KEY, "miner_model"], how="left").with_columns(pl.col("absent").fill_null(False))


def farm_gaps(pairs: pl.LazyFrame) -> pl.LazyFrame:
    """FARM_GAPS of the pairs (as from `marked`)."""
    rows = pairs.group_by(FARM).agg(
        expected=pl.len(), missing=pl.col("absent").sum(), dates=pl.col(DATE).filter("absent").unique()
    )
    return rows.cast(FARM_GAPS)  # type: ignore[arg-type]


def cells(pairs: pl.LazyFrame, models: Sequence[str]) -> pl.LazyFrame:
    """One row per KEY of the pairs, with a flag per miner model: whether no row of it is stored (`absent_0`, ...).

    Cells of different settlement periods can be put one under the other. Farms are categories: a quarter of the memory.
    """
    absent = {
        f"absent_{number}": (pl.col("absent") & (pl.col("miner_model") == model)).any()
        for number, model in enumerate(models)
    }
    return pairs.group_by(KEY).agg(**absent).with_columns(pl.col(FARM).cast(pl.Categorical))


def shapes(cells: pl.LazyFrame) -> pl.LazyFrame:
    """SHAPES of the cells of whole dates.

    A date whose gaps are all in whole periods is explained by those, one whose gaps are all in whole farms by these;
    where both would do, by periods if they are one stretch of several farms, else by farms. In a mixture a farm counts
    only if the periods it has keys in are otherwise complete, and a period only if farms of it have rows elsewhere:
    what chance can make is left as scattered.
    """
    explained = _explained(_of_begun_models(cells))
    by_farm, by_period = pl.col("by_farm"), pl.col("by_period")
    found = explained.group_by(DATE).agg(
        farms=pl.col(FARM).n_unique(),
        farms_missing=pl.col(FARM).filter(by_farm).unique().cast(pl.String).sort(),
        periods_missing=pl.col(PERIOD).filter(by_period).unique().sort(),
        rows_in_farms=pl.col("absent").filter(by_farm & ~by_period).sum(),
        rows_in_periods=pl.col("absent").filter(by_period).sum(),
        scattered=pl.col("absent").filter(~by_farm & ~by_period).sum(),
    )
    return found.cast(SHAPES).sort(DATE)  # type: ignore[arg-type]


def _of_begun_models(cells: pl.LazyFrame) -> pl.LazyFrame:
    """One row per KEY of the dates with gaps in a begun model: `absent` counts models; `farm_gone`, `period_gone`
    tell whether the whole farm or period is."""
    absent = [pl.col(name) for name in cells.collect_schema().names() if name.startswith("absent_")]
    begun = [(~flag).any().over(DATE) for flag in absent]
    counted = cells.select(
        *KEY,
        models=pl.sum_horizontal(begun),
        absent=pl.sum_horizontal(flag & has for flag, has in zip(absent, begun, strict=True)).cast(pl.Int64),
    ).filter(pl.col("models") > 0)
    gone = pl.col("absent") == pl.col("models")
    return counted.filter(pl.col("absent").sum().over(DATE) > 0).with_columns(
        farm_gone=gone.all().over(DATE, FARM), period_gone=gone.all().over(DATE, PERIOD)
    )


def _explained(cells: pl.LazyFrame) -> pl.LazyFrame:
    """The cells with `by_farm` and `by_period`: whether a whole farm or period explains that they are missing.

    The rule is that of `shapes`: only farms, only periods, or a mixture of both (`mixed_farm`, `mixed_period`).
    """
    farm_gone, period_gone, absent = pl.col("farm_gone"), pl.col("period_gone"), pl.col("absent")
    # Periods that follow each other are one stretch: a new one begins where the step is larger than 1.
    stretches = (pl.col(PERIOD).filter(period_gone).unique().sort().diff().fill_null(2) > 1).sum()
    one_stretch = (stretches == 1) & (pl.col(FARM).filter(farm_gone).n_unique() > 1)
    beside_farms = absent.filter(~farm_gone).sum().over(DATE) > 0
    beside_periods = absent.filter(~period_gone).sum().over(DATE) > 0
    # A period with single missing rows says nothing about the farms that have keys in it.
    spoiled = ((absent > 0) & ~farm_gone & ~period_gone).any().over(DATE, PERIOD)
    mixed_farm = farm_gone & (~period_gone).any().over(DATE, FARM) & ~spoiled.any().over(DATE, FARM)
    mixed_period = period_gone & (~farm_gone).any().over(DATE, PERIOD)
    only_farms = ~beside_farms & (beside_periods | ~one_stretch.over(DATE))
    only_periods = ~beside_periods & ~only_farms
    marked = cells.with_columns(
        by_farm=pl.when(only_farms).then(farm_gone).otherwise(~only_periods & mixed_farm),
        by_period=pl.when(only_periods).then(period_gone).otherwise(~only_farms & mixed_period),
        only_farms=only_farms,
        only_periods=only_periods,
    )
    return _patterns(marked)


def _patterns(cells: pl.LazyFrame) -> pl.LazyFrame:
    """Without farms and periods that are too small to be a pattern (where only farms, or only periods, explain a
    date, one of them that is large enough speaks for all)."""
    farm_large = pl.col("by_farm") & (pl.len().over(DATE, FARM) >= FEWEST_KEYS)
    period_large = pl.col("by_period") & (pl.len().over(DATE, PERIOD) >= FEWEST_KEYS)
    any_farm = pl.col("only_farms") & farm_large.any().over(DATE)
    any_period = pl.col("only_periods") & period_large.any().over(DATE)
    return cells.with_columns(
        by_farm=pl.when(any_farm).then("by_farm").otherwise(farm_large),
        by_period=pl.when(any_period).then("by_period").otherwise(period_large),
    )
