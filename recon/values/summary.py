"""What the stored values of a window are worth: verdicts, several difficulties on one date, causes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property, partial
from typing import Any

import polars as pl

from recon.core.schema import SOURCE_ROWS, FrameSchema, json_number
from recon.core.shown import Shown
from recon.reference.reference import Reference
from recon.values import catalogue, causes
from recon.values import tally as values_tally
from recon.values.causes import Cause
from recon.values.tally import MIXED, WRONG_BY, several_difficulties, summarize
from recon.values.tolerance import Tolerance
from recon.values.verdicts import ORPHANS, WRONG
from recon.values.why import implied_mwh


@dataclass(frozen=True, repr=False)
class Values(Shown):
    """What the stored values of a window are worth.

    summary: tally.summarize of all its dates. mixed: tally.several_difficulties. reasons: tally.WRONG_BY. causes: what
    constant ratios and foreign difficulties point to. tolerance: within which values were said to agree. models: the
    configured ones, in the order in which all are named; those that are not configured come after them.
    """

    summary: pl.DataFrame
    mixed: pl.DataFrame
    reasons: pl.DataFrame = field(default_factory=partial(pl.DataFrame, schema=WRONG_BY))
    causes: tuple[Cause, ...] = field(default=())
    tolerance: Tolerance = field(default_factory=Tolerance)
    models: tuple[str, ...] = ()

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

    @cached_property
    def wrong_by(self) -> dict[str, int]:
        """Wrong rows by why they are, most first; together they are `wrong`."""
        totals = self.reasons.group_by(pl.col("cause").cast(pl.String)).agg(pl.col("rows").sum())
        return dict(totals.sort(["rows", "cause"], descending=[True, False]).iter_rows())

    @cached_property
    def wrong_by_model(self) -> dict[str, dict[str, int]]:
        """The same by miner model."""
        return _by_model(self.reasons, "cause", self.models)

    @property
    def restated(self) -> dict[str, Any] | None:
        """A key whose energy was restated, with `energy_mwh` and `implied_energy_mwh`, for which its BTC are right."""
        found = self.reasons.filter(pl.col("energy_mwh").is_not_null()).head(1).to_dicts()
        return {**found[0], "implied_energy_mwh": _implied_mwh(found[0])} if found else None

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

    @cached_property
    def by_model(self) -> dict[str, dict[str, int]]:
        """Rows per miner model and verdict."""
        return _by_model(self.summary, "verdict", self.models)

    def to_dict(self) -> dict[str, Any]:
        """The `values` of `status --values` and `analyze --values`: everything that is not ok, with an example each."""
        off = self.summary.filter(pl.col("verdict") != "ok")
        return {
            "agree": self.wrong == 0,
            "wrong": self.wrong,
            "tolerance": vars(self.tolerance),
            "verdicts": self.verdicts,
            "by_model": self.by_model,
            "wrong_by": self.wrong_by,
            "wrong_by_model": self.wrong_by_model,
            "wrong_by_date": [_reason_dict(row) for row in self.reasons.to_dicts()],
            "dates": [_date_dict(row) for row in off.to_dicts()],
            "whole_dates": [str(day) for day in self.whole_dates],
            "several_difficulties": self.several_difficulties,
            "causes": [cause.to_dict() for cause in self.causes],
        }


def _by_model(rows: pl.DataFrame, kind: str, models: Sequence[str]) -> dict[str, dict[str, int]]:
    totals = rows.group_by("miner_model", pl.col(kind).cast(pl.String)).agg(pl.col("rows").sum())
    by_model: dict[str, dict[str, int]] = {model: {} for model in models}
    for model, name, count in totals.sort("miner_model", kind).iter_rows():
        by_model.setdefault(model, {})[name] = count
    return {model: counts for model, counts in by_model.items() if counts}


def _example(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "settlement_period": row["settlement_period"],
        "farm_id": row["farm_id"],
        "stored_btc": json_number(row["stored_btc"]),
        "expected_btc": json_number(row["expected_btc"]),
    }


def _reason_dict(row: dict[str, Any]) -> dict[str, Any]:
    energy = row["energy_mwh"]
    energies = {} if energy is None else {"energy_mwh": energy, "implied_energy_mwh": _implied_mwh(row)}
    return {
        "date": str(row["settlement_date"]),
        "miner_model": row["miner_model"],
        "cause": row["cause"],
        "rows": row["rows"],
        "example": _example(row) | energies,
    }


def _implied_mwh(row: dict[str, Any]) -> float:
    return implied_mwh(row["energy_mwh"], row["stored_btc"], row["expected_btc"])


def _date_dict(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "date": str(row["settlement_date"]),
        "miner_model": row["miner_model"],
        "verdict": row["verdict"],
        "rows": row["rows"],
        "example": _example(row),
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


Traces = tuple[pl.DataFrame, causes.Evidence, pl.DataFrame]
"""What is kept of judged rows: tally.TALLY, what may tell the causes of wrong ones, and tally.WRONG_BY."""
Part = tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, pl.DataFrame]
"""Result of some whole dates: their summary, their dates of several difficulties, their ratios, their WRONG_BY."""


def traces(rows: pl.DataFrame, shares: Shares) -> Traces:
    """What is kept of some judged rows (verdicts.judge)."""
    stale = rows.filter(pl.col("verdict") == "stale")
    keys = pl.DataFrame(schema=SOURCE_ROWS) if stale.is_empty() else shares(stale)
    return values_tally.tally(rows.lazy()).collect(), causes.evidence(rows, keys), values_tally.wrong_by(rows, keys)


def folded(pieces: Sequence[Traces], reference: Reference) -> Part:
    """The part that some whole dates make, from the traces of all their rows."""
    tallies, evidence, reasons = zip(*pieces, strict=True)
    tally = pl.concat(tallies).lazy()
    clusters = causes.clusters(evidence, catalogue.Catalogue.of(reference))
    found = summarize(tally).collect(), several_difficulties(tally).collect(), clusters
    return *found, values_tally.together(reasons)


def agreeing(rows: pl.DataFrame) -> Part:
    """The part of dates all of whose values are right. rows: how many, per settlement date and miner model."""
    ok = rows.select("settlement_date", "miner_model", verdict=pl.lit("ok"), rows="rows")
    example = {name: pl.lit(None, kind) for name, kind in SUMMARY.items() if name not in ok.columns}
    nothing = (pl.DataFrame(schema=schema) for schema in (MIXED, causes.CLUSTER, WRONG_BY))
    mixed, clusters, reasons = nothing
    return ok.with_columns(**example).select(SUMMARY.keys()), mixed, clusters, reasons


def combined(parts: Sequence[Part], near: Tolerance, models: Sequence[str]) -> Values:
    """The verdict on all dates, from the parts of different ones. models: the configured ones, in order."""
    if not parts:
        return Values(pl.DataFrame(schema=SUMMARY), pl.DataFrame(schema=MIXED), tolerance=near)
    model, count = pl.col("miner_model"), len(models)
    place = model.replace_strict(list(models), list(range(count)), default=count)
    order = ("settlement_date", place, model)
    summary, mixed, clusters, reasons = (pl.concat(frames) for frames in zip(*parts, strict=True))
    return Values(
        summary.sort(*order, "verdict"),
        mixed.sort(*order),
        reasons.sort(*order, "cause"),
        tuple(causes.causes(clusters.sort(*order, "cause"))),
        near,
        tuple(models),
    )


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
