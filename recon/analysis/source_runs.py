"""Settlement dates of which several settlement runs stand beside each other: their energy counts twice, or more often.

A key has several rows where the bids of a farm were accepted several times, and these add up. A later settlement run
repeats every row with an energy that is a few per cent off. By one key nobody can tell: two acceptances may be nearly
equal. By a date one can, since chance does not make most keys so (see `is_repeated`).
"""

from __future__ import annotations

from typing import Any

import polars as pl

from recon.analysis.findings import Finding, days_of
from recon.core.suggestions import explain_command

APART = 0.05
"""The sums of two runs differ by less than this share of the larger one."""
NEARLY_ALL = 0.9
FEWEST_AGAIN = 8
"""Fewer keys are nearly equal by chance too easily."""
MOST, PART = 3 / 4, 1 / 3
"""The share of a date's keys that is enough, wherever they are; and if they are all those of some farms or settlement
periods, which is what a run that broke off, or one for some farms, leaves."""
HOW_OFTEN = {2: "twice", 3: "three times"}


def is_suspect(pairs: str = "pairs") -> pl.Expr:
    """Whether a date has enough keys whose number of rows allows for several runs to look at them closely."""
    return (pl.col(pairs) >= FEWEST_AGAIN) & (pl.col(pairs) >= PART * pl.col("keys"))


def is_repeated() -> pl.Expr:
    """Whether a row of `source_runs.sql` is a date with so many runs.

    Enough keys are there again: three quarters of the date's, or a third if they are nearly all those of some farms
    (one may have its habits) or settlement periods. They are no exact copies, which are another finding.
    """
    again, part = pl.col("again"), pl.col("part_again").fill_null(0)
    most = (again >= FEWEST_AGAIN) & (again >= MOST * pl.col("keys"))
    some = (part >= FEWEST_AGAIN) & (part >= PART * pl.col("keys"))
    return (most | some) & (again - pl.col("differ") < NEARLY_ALL * again)


def several_runs(runs: pl.DataFrame) -> Finding | None:
    """The dates that hold several settlement runs; runs: one row per date and number of runs, of suspect dates."""
    found = (
        runs.filter(is_repeated())
        .sort("settlement_date", "again", "runs")
        .unique("settlement_date", keep="last", maintain_order=True)
    )
    if found.is_empty():
        return None
    worst: dict[str, Any] = found.sort("again", "settlement_date").row(-1, named=True)
    _, most, least, ratio, period, farm = worst["key"].split(" ", 5)
    day, often = worst["settlement_date"], HOW_OFTEN[worst["runs"]]
    sums = f"{float(least):,.3f} and {float(most):,.3f} MWh, 1 to {ratio}"
    example = (
        f"{day}: {worst['again']:,} of {worst['keys']:,} keys are there {often}, less than {100 * APART:g} % apart, "
        f"for example settlement period {period}, {farm}: {sums}"
    )
    advice = (
        "ask whether a later settlement run was loaded beside the first (see '",
        explain_command(day, period, farm),
        "'), and keep one in the source; recon adds them up, and never changes the source",
    )
    count = int(found.get_column("again").sum())
    return Finding("several_runs", "warning", count, example, advice, tuple(days_of(found)))
