"""Whether every stored calculation has the value it should have.

One verdict per stored row. Of several reasons the first of this list counts:

unknown_model     its miner model is not configured
orphan            the source has no such key, or has it only in rows that cannot be priced
duplicate         another row of the same key and model is kept (the one that agrees, where one does)
blocked           the date has no difficulty: not judged
whole             a date all of whose rows are priced as whole machines (not wrong, reported)
ok                BTC and difficulty agree
nan               BTC or difficulty is NaN, infinite or null
negative          BTC is below zero
zero              BTC is 0 although the key has energy
wrong_difficulty  not the date's difficulty; BTC goes with the row's own or with the date's
stale             BTC agrees with neither
"""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from recon.core.schema import CALC_KEY, CAUSE, KEY, STORED
from recon.values.tolerance import Tolerance

WRONG = ("stale", "wrong_difficulty", "zero", "negative", "nan")
"""Verdicts of rows that have to be computed anew."""
SURPLUS = ("duplicate", "orphan", "unknown_model")
"""Verdicts of rows that should not be there."""
ORPHANS = ("orphan", "unknown_model")
"""Verdicts of rows without an expected key and model."""


def judge(
    wanted: pl.LazyFrame,
    stored: pl.LazyFrame,
    miners: pl.LazyFrame,
    tolerance: Tolerance | None = None,
    *,
    whole_dates: bool = True,
) -> pl.LazyFrame:
    """One row per stored row of some whole dates, with `verdict`, `expected_btc`, `expected_difficulty`, `ratio` and
    `cause`, which `why` tells and is null here.

    wanted: one row per CALC_KEY as price.calculations gives it (bitcoin_mined, difficulty_float), and `whole_btc`, what
    whole machines would have mined. stored: STORED. miners: one row per configured miner model.
    ratio is stored over expected BTC, null where nothing is expected.

    Some settlement periods of a date are judged as well by themselves, once it is known of the others whether all of
    them are `priced_whole`: where they are not, whole_dates is False, and no date is recognized as priced so.
    """
    examined = _examined(wanted, stored, miners, tolerance or Tolerance())
    return _shown(_recognize_whole_dates(examined) if whole_dates else examined)


def priced_whole(
    wanted: pl.LazyFrame, stored: pl.LazyFrame, miners: pl.LazyFrame, tolerance: Tolerance | None = None
) -> bool:
    """Whether all rows that can be judged agree with whole machines.

    The frames are those that `judge` is given, of some settlement periods of a date.
    """
    examined = _examined(wanted, stored, miners, tolerance or Tolerance())
    return bool(examined.select((pl.col("agrees_whole") | ~_can_be_judged()).all()).collect().item())


def _examined(wanted: pl.LazyFrame, stored: pl.LazyFrame, miners: pl.LazyFrame, near: Tolerance) -> pl.LazyFrame:
    """The stored rows with the verdict that each has by itself and among those of its pair, and `agrees_whole`."""
    whole = wanted.select(*CALC_KEY, pl.col("whole_btc").cast(pl.Float64))
    due = _expectation(wanted).join(whole, on=CALC_KEY, how="left")
    rows = stored.join(due, on=CALC_KEY, how="left")
    keys = wanted.select(KEY).unique().with_columns(has_key=pl.lit(True))
    models = miners.select("miner_model").with_columns(known_model=pl.lit(True))
    rows = (
        rows.join(keys, on=KEY, how="left")
        .join(models, on="miner_model", how="left")
        .with_columns(pl.col("has_key", "known_model").fill_null(False))
        .with_columns(_base_verdict(near).alias("verdict"), agrees_whole=_agrees_whole(near))
    )
    return _keep_one_per_pair(rows)


def judge_doubtful(
    wanted: pl.LazyFrame,
    stored: pl.DataFrame,
    look: Callable[[pl.DataFrame], pl.DataFrame],
    tolerance: Tolerance | None = None,
) -> pl.DataFrame:
    """What `judge` gives, in a fraction of the time: one join settles nearly all rows of most tables.

    A row that agrees with what is wanted and is the only one of its pair is `ok` whatever else there is; only the
    others are given to `look`, which is `judge` for some of the stored rows. wanted, stored: as for `judge`, but
    whole_btc is not needed. Dates whose other rows prove to be priced whole are looked at as a whole.
    """
    settled, others = _settle(wanted, stored, tolerance or Tolerance())
    judged = look(others)
    whole_dates = judged.filter(pl.col("verdict") == "whole").get_column("settlement_date").unique().to_list()
    if not whole_dates:
        return pl.concat([settled, judged])
    again = pl.col("settlement_date").is_in(whole_dates)
    return pl.concat([settled.filter(~again), judged.filter(~again), look(stored.filter(again))])


def _settle(wanted: pl.LazyFrame, stored: pl.DataFrame, near: Tolerance) -> tuple[pl.DataFrame, pl.DataFrame]:
    due = _expectation(wanted).with_row_index("pair")
    agrees = near.agrees(pl.col("stored_btc"), pl.col("expected_btc")) & near.same_difficulty(
        pl.col("stored_difficulty"), pl.col("expected_difficulty")
    )
    rows = stored.lazy().join(due, on=CALC_KEY, how="left")
    rows = rows.with_columns(settled=agrees & ~pl.col("pair").is_duplicated()).collect().lazy()
    settled = _shown(rows.filter("settled").with_columns(verdict=pl.lit("ok")))
    return settled.collect(), rows.filter(~pl.col("settled")).select(STORED.keys()).collect()


def _expectation(wanted: pl.LazyFrame) -> pl.LazyFrame:
    return wanted.select(
        *CALC_KEY,
        expected_btc=pl.col("bitcoin_mined").cast(pl.Float64),
        expected_difficulty=pl.col("difficulty_float"),
    )


def _shown(judged: pl.LazyFrame) -> pl.LazyFrame:
    ratio = pl.when(pl.col("expected_btc") > 0).then(pl.col("stored_btc") / pl.col("expected_btc"))
    shown = ("expected_btc", "expected_difficulty", "verdict")
    return judged.select(*STORED, *shown, ratio=ratio, cause=pl.lit(None, CAUSE))


def _base_verdict(near: Tolerance) -> pl.Expr:
    """The verdict of a row looked at by itself."""
    btc, wanted = pl.col("stored_btc"), pl.col("expected_btc")
    own, due = pl.col("stored_difficulty"), pl.col("expected_difficulty")
    same_difficulty = near.same_difficulty(own, due)
    right = near.agrees(btc, wanted)
    slack = pl.max_horizontal(due / own, pl.lit(1.0))
    right_for_own = near.agrees(btc, wanted * due / own, slack) & (own > 0)  # over 0, any BTC would agree
    finite = (btc.is_finite() & own.is_finite()).fill_null(False)
    return (
        pl.when(~pl.col("known_model"))
        .then(pl.lit("unknown_model"))
        .when(~pl.col("has_key"))
        .then(pl.lit("orphan"))
        .when(wanted.is_null())
        .then(pl.lit("blocked"))
        .when(right & same_difficulty)
        .then(pl.lit("ok"))
        .when(~finite)
        .then(pl.lit("nan"))
        .when(btc < 0)
        .then(pl.lit("negative"))
        .when((btc == 0) & ~right)
        .then(pl.lit("zero"))
        .when(~same_difficulty & (right | right_for_own))
        .then(pl.lit("wrong_difficulty"))
        .otherwise(pl.lit("stale"))
    )


def _agrees_whole(near: Tolerance) -> pl.Expr:
    same_difficulty = near.same_difficulty(pl.col("stored_difficulty"), pl.col("expected_difficulty"))
    return near.agrees(pl.col("stored_btc"), pl.col("whole_btc")) & same_difficulty


def _keep_one_per_pair(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Rows beyond the best of their pair become duplicates: one that agrees is kept, else the first by row_id."""
    placed = pl.col("known_model") & pl.col("has_key")
    worse = pl.col("verdict").replace_strict({"ok": 0, "blocked": 0}, default=1, return_dtype=pl.Int8)
    worse = pl.when(pl.col("agrees_whole")).then(0).otherwise(worse)
    rank = pl.struct(worse.alias("worse"), "row_id").rank("ordinal").over(CALC_KEY)
    surplus = placed & (rank > 1)
    return rows.with_columns(verdict=pl.when(surplus).then(pl.lit("duplicate")).otherwise("verdict"))


def _recognize_whole_dates(rows: pl.LazyFrame) -> pl.LazyFrame:
    """A date all of whose judged rows agree with whole machines was priced so: its rows are not wrong."""
    judged = _can_be_judged()
    all_whole = (pl.col("agrees_whole") | ~judged).all().over("settlement_date")
    whole = judged & all_whole & (pl.col("verdict") != "ok")
    return rows.with_columns(verdict=pl.when(whole).then(pl.lit("whole")).otherwise("verdict"))


def _can_be_judged() -> pl.Expr:
    return ~pl.col("verdict").is_in([*SURPLUS, "blocked"])
