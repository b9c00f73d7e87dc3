"""Why each wrong row is wrong: one cause a row.

Of several causes the first of this list counts:

nan, negative, zero  as the verdict has it
wrong_difficulty     its difficulty is not the date's
wrong_subsidy        its BTC is right for another block subsidy
wrong_difficulty     its BTC is right for another known epoch's difficulty
wrong_energy         its BTC is right for another energy, for which another miner model's row of the key is right, too
wrong_btc            none of them, or too small to tell

Rows of a key with the same ratio of stored to expected BTC have one cause, which the largest of them shows best. Small
amounts blur the ratio by their rounding: such a row has the cause of a larger one of its settlement period with the
same ratio. Where there is none, only another subsidy is told, since subsidies lie far apart.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import polars as pl

from recon.core.schema import CAUSE, KEY, PERIOD
from recon.core.settings import DEFAULT_ATOL_BTC
from recon.values.tolerance import Tolerance
from recon.values.verdicts import WRONG

CLEAR = 1e4
"""From so many times what may be off (0.0001 BTC by rounding) a ratio is known to 0.01 per cent. Some 60 epochs of the
last years lie within a factor of e: about one other ratio in a hundred is some epoch's by chance, and one in a thousand
of an amount ten times larger."""
COARSE = 1e2
"""From here on (0.000001 BTC) a ratio is known to one per cent, which still tells subsidies apart."""


@dataclass(frozen=True)
class Known:
    """What a wrong BTC may be right for: every block subsidy (BTC), every epoch's difficulty, and `terms`: per
    settlement date `subsidy_btc`, the one in force.

    machines: of whole fleets, per settlement period and miner model `grain`, the share of the period's energy that one
    machine takes: by so much the energy is not what it seems.
    """

    subsidies: tuple[float, ...]
    difficulties: tuple[float, ...]
    terms: pl.DataFrame
    machines: pl.DataFrame | None = None


def with_causes(judged: pl.DataFrame, known: Known, tolerance: Tolerance) -> pl.DataFrame:
    """Judged rows of whole settlement periods with the `cause` of each wrong one; their order is another."""
    is_wrong = pl.col("verdict").is_in(WRONG)
    wrong = judged.filter(is_wrong)
    if wrong.is_empty():
        return judged
    near = replace(tolerance, atol_btc=max(tolerance.atol_btc, DEFAULT_ATOL_BTC))  # BTC is rounded, whatever was asked
    measured = _measured(wrong, known, near)
    clear, small = pl.col("size") >= CLEAR, pl.col("size") < CLEAR
    cases = _cases(measured.filter(clear), known, near)
    found = (
        measured.filter(pl.col("size").is_null()).with_columns(cause=_by_itself()),
        cases,
        _small(measured.filter(small), cases, known, near),
    )
    return pl.concat([judged.filter(~is_wrong), *(part.select(judged.columns) for part in found)])


def implied_mwh(energy_mwh: float, stored_btc: float, expected_btc: float) -> float:
    """The energy for which BTC is right, with as many digits as its satoshis tell.

    >>> implied_mwh(7.5, 0.01443287, 0.02405478), implied_mwh(7.5, 0.00000003, 0.00000002)
    (4.5, 10.0)
    """
    satoshis = min(abs(stored_btc), abs(expected_btc)) / DEFAULT_ATOL_BTC
    digits = min(max(int(math.log10(max(satoshis, 1.0))), 1), 12)
    return float(f"{energy_mwh * stored_btc / expected_btc:.{digits}g}")


def _measured(wrong: pl.DataFrame, known: Known, near: Tolerance) -> pl.DataFrame:
    """The wrong rows with `subsidy_btc`, `size`, the amount in units of what may be off (null where the ratio is not
    what tells the cause), `blur`, by how much the ratio may be off, and `own_difficulty`, whether it is not the date's.
    """
    stored, wanted, ratio = pl.col("stored_btc"), pl.col("expected_btc"), pl.col("ratio")
    rows = wrong.join(known.terms.select("settlement_date", "subsidy_btc"), on="settlement_date", how="left")
    grain = pl.lit(0.0)
    if known.machines is not None:
        rows = rows.join(known.machines, on=[*PERIOD, "miner_model"], how="left")
        grain = pl.col("grain")
    other = ~near.same_difficulty(pl.col("stored_difficulty"), pl.col("expected_difficulty"))
    by_ratio = (pl.col("verdict") == "stale") & ~other & (ratio > 0)
    return rows.with_columns(
        size=pl.when(by_ratio).then(pl.min_horizontal(stored, wanted) / near.atol_btc),
        blur=near.atol_btc * pl.max_horizontal(ratio, 1.0) / wanted + (near.rtol + grain) * ratio,
        own_difficulty=other,
    )


def _by_itself() -> pl.Expr:
    """The cause of a row whose ratio does not tell it."""
    stale = pl.when("own_difficulty").then(pl.lit("wrong_difficulty")).otherwise(pl.lit("wrong_btc"))
    return pl.when(pl.col("verdict") == "stale").then(stale).otherwise("verdict").cast(CAUSE)


def _cases(clear: pl.DataFrame, known: Known, near: Tolerance) -> pl.DataFrame:
    """The clear rows with their cause. The rows of a key whose ratios agree are one case, decided by the largest."""
    rising = clear.sort(*KEY, "ratio")
    other_key = pl.any_horizontal(pl.col(name) != pl.col(name).shift() for name in KEY)
    apart = pl.col("ratio").diff() > pl.col("blur") + pl.col("blur").shift()
    rows = rising.with_columns(case=(other_key | apart).fill_null(False).cum_sum())
    largest = pl.struct("stored_btc", "expected_btc", "expected_difficulty", "subsidy_btc").sort_by("expected_btc")
    cases = rows.group_by("case").agg(largest.last().alias("largest"), models=pl.len()).unnest("largest")
    cases = _with_nearest_epoch(cases, known)
    cause = (
        pl.when(_other_subsidy(known, near))
        .then(pl.lit("wrong_subsidy"))
        .when(_other_epoch(near))
        .then(pl.lit("wrong_difficulty"))
        .when(pl.col("models") > 1)
        .then(pl.lit("wrong_energy"))
        .otherwise(pl.lit("wrong_btc"))
    )
    return rows.drop("cause").join(cases.select("case", cause=cause.cast(CAUSE)), on="case", how="left")


def _small(small: pl.DataFrame, cases: pl.DataFrame, known: Known, near: Tolerance) -> pl.DataFrame:
    """The small rows with their cause: that of the clear row of their settlement period whose ratio is nearest, where
    their rounding allows it.
    """
    others = cases.select(*PERIOD, "ratio", "cause", near_ratio="ratio").sort("ratio", "cause")
    rows = small.drop("cause").sort("ratio")
    rows = rows.join_asof(others, on="ratio", by=PERIOD, strategy="nearest", check_sortedness=False)
    same = ((pl.col("ratio") - pl.col("near_ratio")).abs() <= pl.col("blur")).fill_null(False)
    alone = pl.when((pl.col("size") >= COARSE) & _other_subsidy(known, near)).then(pl.lit("wrong_subsidy"))
    return rows.with_columns(
        cause=pl.when(same).then("cause").otherwise(alone.otherwise(pl.lit("wrong_btc")).cast(CAUSE))
    )


def _other_subsidy(known: Known, near: Tolerance) -> pl.Expr:
    """Whether BTC is right for a block subsidy that is not the date's."""
    due = pl.col("subsidy_btc")
    return pl.any_horizontal(
        pl.lit(False), *((due != other) & _right_for(other / due, near) for other in sorted(set(known.subsidies)))
    )


def _with_nearest_epoch(cases: pl.DataFrame, known: Known) -> pl.DataFrame:
    """The cases with `epoch_difficulty`, the known one that is nearest to the difficulty for which BTC is right."""
    epochs = pl.DataFrame(
        {"epoch_difficulty": sorted(set(known.difficulties))}, schema={"epoch_difficulty": pl.Float64}
    )
    implied = pl.col("expected_difficulty") * pl.col("expected_btc") / pl.col("stored_btc")
    return (
        cases.with_columns(implied=implied)
        .sort("implied")
        .join_asof(epochs, left_on="implied", right_on="epoch_difficulty", strategy="nearest", coalesce=False)
    )


def _other_epoch(near: Tolerance) -> pl.Expr:
    """Whether BTC is right for the difficulty of an epoch that has not the date's."""
    epoch, due = pl.col("epoch_difficulty"), pl.col("expected_difficulty")
    return _right_for(due / epoch, near) & ~near.same_difficulty(epoch, due)


def _right_for(factor: pl.Expr, near: Tolerance) -> pl.Expr:
    """Whether the stored BTC is the expected one times a factor. Both are rounded; a factor above 1 multiplies that."""
    wanted = pl.col("expected_btc") * factor
    return near.agrees(pl.col("stored_btc"), wanted, pl.max_horizontal(factor, pl.lit(1.0)))
