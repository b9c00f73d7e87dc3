"""Partly filled calculations for a sample: right values, but for faults of which every one is counted.

Each date has one kind of fault, so that some dates are complete; dates are dealt out by their number of keys, so that
the kinds keep their shares whatever the size of the sample.
"""

from __future__ import annotations

import polars as pl

from recon.core.price import price
from recon.core.schema import BTC, CALC_KEY
from recon.sample.recipe import Recipe

DATE_FAULTS = {
    "random_pairs": 0.24,
    "none": 0.22,
    "whole_dates": 0.16,
    "one_model": 0.14,
    "single_farms": 0.12,
    "all_but_one_farm": 0.04,
    "stale_difficulty": 0.04,
    "double_subsidy": 0.04,
}
"""What is wrong with a date, and the share of all keys that such dates aim at: 65 % of the pairs are stored."""

MISSING = ("whole_dates", "one_model", "single_farms", "all_but_one_farm", "random_pairs")
COPIES = {"twice": 2, "three_times": 3}
ORPHANS = ("unknown_model", "no_curtailment")
WRONG = ("stale_difficulty", "double_subsidy", "zero_bitcoin")
PAIR_FATES = {"random_pairs": 0.25, "zero_bitcoin": 0.01, "twice": 0.006, "three_times": 0.002}
"""The share of the pairs of a random_pairs date that are missing, hold 0 BTC, or are stored more than once."""

STALE_DIFFICULTY = 108105433845147
"""The difficulty of January 2025, which a tool used for every date when its look-up failed."""

UNKNOWN_MODEL = "T17_RETIRED"
FORMER_SUFFIX = "_OLD"
"""What farm ids end with that the curtailment no longer has."""


def date_faults(energy: pl.DataFrame) -> pl.DataFrame:
    """One row per settlement date of `energy` (one row per KEY): its `fault`, the largest dates dealt out first."""
    sizes = energy.group_by("settlement_date").len("keys").sort(["keys", "settlement_date"], descending=[True, False])
    wanted = {fault: share * energy.height for fault, share in DATE_FAULTS.items()}
    dealt = []
    for keys in sizes.get_column("keys"):
        fault = max(wanted, key=wanted.__getitem__)
        wanted[fault] -= keys
        dealt.append(fault)
    return sizes.select("settlement_date", fault=pl.Series(dealt, dtype=pl.String))


def pairs(recipe: Recipe, energy: pl.DataFrame, miners: pl.DataFrame, terms: pl.DataFrame) -> pl.DataFrame:
    """One row per CALC_KEY that should be stored, with its values and its `fate`.

    energy: one row per KEY with its `cell` and energy_mwh; terms: one row per settlement date with difficulty and
    subsidy_btc. fate: stored, a kind of MISSING or WRONG, twice or three_times.
    """
    keys = energy.join(date_faults(energy), on="settlement_date").join(terms, on="settlement_date")
    stale = pl.col("fault") == "stale_difficulty"
    keys = keys.with_columns(
        difficulty=pl.when(stale)
        .then(pl.lit(STALE_DIFFICULTY).cast(terms.schema["difficulty"]))
        .otherwise("difficulty"),
        subsidy_btc=pl.col("subsidy_btc") * pl.when(pl.col("fault") == "double_subsidy").then(2.0).otherwise(1.0),
        differs=stale & (pl.col("difficulty") != STALE_DIFFICULTY)
        | (pl.col("fault") == "double_subsidy") & (pl.col("energy_mwh") > 0),
        lone_farm=pl.col("farm_id") == pl.col("farm_id").min().over("settlement_date"),
    )
    numbered = miners.with_columns(model=pl.int_range(pl.len(), dtype=pl.Int64))
    priced = price(keys.lazy(), numbered.lazy()).collect()
    return priced.with_columns(fate=_fate(recipe, miners.height)).with_columns(
        bitcoin_mined=pl.when(pl.col("fate") == "zero_bitcoin").then(pl.lit(0).cast(BTC)).otherwise("bitcoin_mined")
    )


def _fate(recipe: Recipe, models: int) -> pl.Expr:
    fault, day = pl.col("fault"), pl.col("settlement_date").to_physical()
    crashed_at = (recipe.noise("crash", day) * models).floor()
    farm = pl.col("cell") // 256
    missing = (
        (fault == "whole_dates")
        | (fault == "one_model") & (pl.col("model") == crashed_at)
        | (fault == "single_farms") & (recipe.noise("farm missing", farm) < 1 / 3)
        | (fault == "all_but_one_farm") & ~pl.col("lone_farm")
    )
    single = pl.when(fault == "random_pairs").then(_fate_of_pair(recipe)).otherwise(pl.lit("stored"))
    return pl.when(missing | pl.col("differs")).then(fault).otherwise(single)


def _fate_of_pair(recipe: Recipe) -> pl.Expr:
    """One of PAIR_FATES, or stored; what has no energy cannot wrongly hold 0 BTC."""
    luck = recipe.noise("fate", pl.col("cell") + pl.col("model") * 2**48)
    fate, bound = pl.lit("stored"), sum(PAIR_FATES.values())
    for name, share in reversed(PAIR_FATES.items()):
        possible = pl.col("energy_mwh") > 0 if name == "zero_bitcoin" else pl.lit(True)
        fate = pl.when((luck < bound) & possible).then(pl.lit(name)).otherwise(fate)
        bound -= share
    return fate


def stored(recipe: Recipe, pairs: pl.DataFrame) -> pl.DataFrame:
    """The rows of the calculations table: the pairs that are not missing, repeated as their fate says, and orphans.

    pairs: as from `pairs`. The fate of an orphan is one of ORPHANS.
    """
    kept = pairs.filter(~pl.col("fate").is_in(MISSING))
    copies = pl.col("fate").replace_strict(COPIES, default=1, return_dtype=pl.Int64)
    luck = recipe.noise("orphan", pl.col("cell") + pl.col("model") * 2**48)
    strays = kept.filter(pl.col("fault") == "random_pairs").with_columns(luck=luck)
    unknown = strays.filter((pl.col("luck") < 0.01) & (pl.col("model") == 0)).with_columns(
        miner_model=pl.lit(UNKNOWN_MODEL), fate=pl.lit("unknown_model")
    )
    former = strays.filter(pl.col("luck") >= 0.997).with_columns(
        farm_id=pl.col("farm_id") + FORMER_SUFFIX, fate=pl.lit("no_curtailment")
    )
    rows = [kept, kept.filter(copies >= 2), kept.filter(copies >= 3), unknown.drop("luck"), former.drop("luck")]
    return pl.concat(rows).sort(*CALC_KEY)


def tally(pairs: pl.DataFrame, stored: pl.DataFrame) -> dict[str, dict[str, int]]:
    """How many pairs are missing or wrong and how many rows are duplicates or orphans, by kind."""
    of_pair = dict(pairs.get_column("fate").value_counts().iter_rows())
    of_row = dict(stored.get_column("fate").value_counts().iter_rows())
    return {
        "missing": {kind: of_pair.get(kind, 0) for kind in MISSING},
        "duplicate": {kind: of_pair.get(kind, 0) * (copies - 1) for kind, copies in COPIES.items()},
        "orphan": {kind: of_row.get(kind, 0) for kind in ORPHANS},
        "wrong": {kind: of_pair.get(kind, 0) for kind in WRONG},
    }
