"""What the stored values of a window are worth: verdicts, several difficulties on one date, causes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import Any

import polars as pl

from recon.core.schema import SOURCE_ROWS, FrameSchema, json_number
from recon.core.shown import Shown
from recon.reference.reference import Reference
from recon.values import catalogue, causes
from recon.values import tally as values_tally
from recon.values.causes import Cause
from recon.values.tally import MIXED, several_difficulties, summarize
from recon.values.tolerance import Tolerance
from recon.values.verdicts import ORPHANS, WRONG


@dataclass(frozen=True, repr=False)
class Values(Shown):
    """What the stored values of a window are worth.

    summary: audit.summarize of all its dates. mixed: audit.several_difficulties. causes: what constant ratios and
    foreign difficulties point to. tolerance: within which values were said to agree.
    """

    summary: pl.DataFrame
    mixed: pl.DataFrame
    causes: tuple[Cause, ...] = field(default=())
    tolerance: Tolerance = field(default_factory=Tolerance)

    @cached_property
    def verdicts(self) -> dict[str, int]:
        """Rows per verdict, over all dates and models."""
        totals = self.summary.group_by("verdict").agg(pl.col("rows").sum()).sort("verdict")
        return dict(totals.iter_rows())

    def to_frame(self) -> pl.DataFrame:
        """One row per settlement date, miner model and verdict; as `summary`."""
        return self.summary

    @property
    def sentence(self) -> str:
        """Rows per verdict."""
        return ", ".join(f"{rows:,} {verdict}" for verdict, rows in self.verdicts.items()) or "no stored value"

    @property
    def table(self) -> pl.DataFrame:
        """One row per verdict and one column per miner model, which has the rows of both."""
        models = sorted(self.by_model)
        cells = {model: [self.by_model[model].get(verdict, 0) for verdict in self.verdicts] for model in models}
        return pl.DataFrame({"verdict": list(self.verdicts), **cells})

    @property
    def wrong(self) -> int:
        """Rows with a value that has to be computed anew."""
        return sum(rows for verdict, rows in self.verdicts.items() if verdict in WRONG)

    @property
    def blocked(self) -> int:
        """Rows of dates whose difficulty is not known: not judged."""
        return self.verdicts.get("blocked", 0)

    @property
    def off_by_date(self) -> pl.DataFrame:
        """One row per settlement date with a row that is not ok: `wrong` values, and what the verdicts found to be
        surplus, which the survey may not have seen: `duplicate_judged`, `orphan_judged`.
        """
        kinds = {"wrong": WRONG, "duplicate_judged": ("duplicate",), "orphan_judged": ORPHANS}
        counts = {
            name: pl.col("rows").filter(pl.col("verdict").is_in(verdicts)).sum() for name, verdicts in kinds.items()
        }
        return self.summary.filter(pl.col("verdict") != "ok").group_by("settlement_date").agg(**counts)

    @property
    def whole_dates(self) -> list[date]:
        """The dates that are priced as whole machines."""
        whole = self.summary.filter(pl.col("verdict") == "whole").get_column("settlement_date")
        return whole.unique().sort().to_list()

    @property
    def several_difficulties(self) -> list[dict[str, Any]]:
        """One entry per date whose rows have more than one difficulty: how many, and per miner model an example."""
        dates = self.mixed.partition_by("settlement_date", maintain_order=True)
        return [
            {
                "date": str(side.item(0, "settlement_date")),
                "difficulties": side.item(0, "of_date"),
                "rows": int(side.get_column("rows").sum()),
                "by_model": {row["miner_model"]: _mixed_dict(row) for row in side.to_dicts()},
            }
            for side in dates
        ]

    @property
    def by_model(self) -> dict[str, dict[str, int]]:
        """Rows per miner model and verdict."""
        totals = self.summary.group_by("miner_model", "verdict").agg(pl.col("rows").sum())
        models: dict[str, dict[str, int]] = {}
        for model, verdict, rows in totals.sort("miner_model", "verdict").iter_rows():
            models.setdefault(model, {})[verdict] = rows
        return models

    def to_dict(self) -> dict[str, Any]:
        """The `values` of `status --values` and `analyze --values`: everything that is not ok, with an example each."""
        off = self.summary.filter(pl.col("verdict") != "ok")
        return {
            "agree": self.wrong == 0,
            "wrong": self.wrong,
            "tolerance": vars(self.tolerance),
            "verdicts": self.verdicts,
            "by_model": self.by_model,
            "dates": [_date_dict(row) for row in off.to_dicts()],
            "whole_dates": [str(day) for day in self.whole_dates],
            "several_difficulties": self.several_difficulties,
            "causes": [cause.to_dict() for cause in self.causes],
        }


def _date_dict(row: dict[str, Any]) -> dict[str, Any]:
    example = {
        "settlement_period": row["settlement_period"],
        "farm_id": row["farm_id"],
        "stored_btc": json_number(row["stored_btc"]),
        "expected_btc": json_number(row["expected_btc"]),
    }
    return {
        "date": str(row["settlement_date"]),
        "miner_model": row["miner_model"],
        "verdict": row["verdict"],
        "rows": row["rows"],
        "example": example,
    }


def _mixed_dict(row: dict[str, Any]) -> dict[str, Any]:
    example = {name: row[name] for name in ("settlement_period", "farm_id")}
    difficulties = {name: json_number(row[name]) for name in ("stored_difficulty", "expected_difficulty")}
    found = [json_number(difficulty) for difficulty in row["found"]]
    return {
        "difficulties": row["difficulties"],
        "found": found,
        "rows": row["rows"],
        "example": {**example, **difficulties},
    }


Shares = Callable[[pl.DataFrame], pl.DataFrame]
"""Reads the single source rows of some judged rows' keys."""


Traces = tuple[pl.DataFrame, causes.Evidence]
"""What is kept of judged rows: audit.TALLY, and what may tell the causes of wrong ones."""
Part = tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]
"""Result of some whole dates: their summary, their dates of several difficulties, their ratios."""


def traces(rows: pl.DataFrame, shares: Shares) -> Traces:
    """What is kept of some judged rows (audit.judge)."""
    stale = rows.filter(pl.col("verdict") == "stale")
    keys = pl.DataFrame(schema=SOURCE_ROWS) if stale.is_empty() else shares(stale)
    return values_tally.tally(rows.lazy()).collect(), causes.evidence(rows, keys)


def folded(pieces: Sequence[Traces], reference: Reference) -> Part:
    """The part that some whole dates make, from the traces of all their rows."""
    tally = pl.concat([tally for tally, _ in pieces]).lazy()
    clusters = causes.clusters([found for _, found in pieces], reference_of(reference))
    return summarize(tally).collect(), several_difficulties(tally).collect(), clusters


def agreeing(rows: pl.DataFrame) -> Part:
    """The part of dates all of whose values are right. rows: how many, per settlement date and miner model."""
    ok = rows.select("settlement_date", "miner_model", verdict=pl.lit("ok"), rows="rows")
    example = {name: pl.lit(None, kind) for name, kind in SUMMARY.items() if name not in ok.columns}
    return (
        ok.with_columns(**example).select(SUMMARY.keys()),
        pl.DataFrame(schema=MIXED),
        pl.DataFrame(schema=causes.CLUSTER),
    )


def combined(parts: Sequence[Part], near: Tolerance) -> Values:
    """The verdict on all dates, from the parts of different ones."""
    summary = _stacked([summary for summary, _, _ in parts], ["settlement_date", "miner_model", "verdict"])
    mixed = _stacked([mixed for _, mixed, _ in parts], ["settlement_date", "miner_model"])
    clusters = _stacked([found for _, _, found in parts], ["settlement_date", "miner_model", "cause"])
    if summary is None or mixed is None or clusters is None:
        return Values(pl.DataFrame(schema=SUMMARY), pl.DataFrame(schema=MIXED), tolerance=near)
    return Values(summary, mixed, tuple(causes.causes(clusters)), near)


SUMMARY: FrameSchema = {
    "settlement_date": pl.Date,
    "miner_model": pl.String,
    "verdict": pl.String,
    "rows": pl.Int64,
    "settlement_period": pl.Int32,
    "farm_id": pl.String,
    "stored_btc": pl.Float64,
    "expected_btc": pl.Float64,
}
"""One row per settlement date, miner model and verdict: how many rows, and one of them as example."""


def _stacked(frames: Sequence[pl.DataFrame], order: list[str]) -> pl.DataFrame | None:
    return pl.concat(frames).sort(order) if frames else None


def reference_of(reference: Reference) -> catalogue.Catalogue:
    """The reference data that can explain a ratio."""
    return catalogue.Catalogue(reference.miners, reference.subsidies, reference.epochs, reference.variants)
