"""One frozen report from which every rendering and the exit code derive."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from functools import cached_property
from typing import Any

import polars as pl

from recon.audit import ASTRAY, WRONG, Tolerance
from recon.errors import ExitCode
from recon.ratios import Cause
from recon.schema import FrameSchema
from recon.window import Window

SCHEMA_VERSION = 1
DATE_FIELDS = ("expected", "matched", "missing", "duplicate", "orphan")
OFF_FIELDS = ("missing", "duplicate", "orphan", "wrong")
"""What is 0 on a date that is reconciled, and nowhere else; `wrong` is null where no value was compared."""


def percent(matched: int, expected: int) -> float:
    """Matched over expected in per cent, rounded down to two decimals, so that 100 means all of them.

    >>> percent(1_511_960, 1_511_961), percent(0, 0)
    (99.99, 100.0)
    """
    return matched * 10_000 // expected / 100 if expected else 100.0


@dataclass(frozen=True)
class Values:
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
        kinds = {"wrong": WRONG, "duplicate_judged": ("duplicate",), "orphan_judged": ASTRAY}
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
        "stored_btc": _number(row["stored_btc"]),
        "expected_btc": _number(row["expected_btc"]),
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
    difficulties = {name: _number(row[name]) for name in ("stored_difficulty", "expected_difficulty")}
    found = [_number(difficulty) for difficulty in row["found"]]
    return {
        "difficulties": row["difficulties"],
        "found": found,
        "rows": row["rows"],
        "example": {**example, **difficulties},
    }


def _number(value: float | None) -> float | str | None:
    """JSON has no NaN and no infinity: they are written as text."""
    return value if value is None or abs(value) < float("inf") else str(value)


@dataclass(frozen=True)
class Damage:
    """A file of an export that is not as it was written.

    problem: missing | truncated (shorter, and cannot be read) | unreadable | altered (other bytes, which can be read) |
    unknown (not of this export) | unfinished (the export was interrupted before it).
    """

    file: str
    problem: str
    detail: str

    def to_dict(self) -> dict[str, str]:
        """One entry of `damage`."""
        return dict(vars(self))


@dataclass(frozen=True)
class Undated:
    """Rows whose settlement date is null, infinite, before the year 1 or after 9999, which no date of a window holds.

    source: rows of the curtailment, which are invalid. stored: calculations, which are orphans.
    """

    source: int = 0
    stored: int = 0


@dataclass(frozen=True)
class Status:
    """How far the two tables agree in a window.

    counts: gaps.COUNTS, one row per settlement date and miner model; source: one row per settlement date with
    `source_rows`, `invalid` and `keys`. Both as of one moment, but for dates that a run has looked at again.
    damage: of an export, the files in disorder; None when the tables themselves were asked. left_out: of an export,
    why values are null in the months of the window, as its manifest has it, and how many. undated: the rows without a
    date that belong to a window which is open on their side.
    """

    window: Window
    miner_models: tuple[str, ...]
    source: pl.DataFrame
    counts: pl.DataFrame
    values: Values | None = None
    damage: tuple[Damage, ...] | None = None
    left_out: Mapping[str, int] = field(default_factory=dict)
    undated: Undated = Undated()

    def with_counts(self, days: Sequence[date], counts: pl.DataFrame) -> Status:
        """The same window, in which some dates have been looked at again; counts: gaps.COUNTS of these."""
        others = self.counts.filter(~pl.col("settlement_date").is_in(days))
        seen = pl.DataFrame({"settlement_date": days}, schema={"settlement_date": pl.Date})
        keys = counts.group_by("settlement_date").agg(keys=pl.col("expected").max())
        keys = seen.join(keys, on="settlement_date", how="left").with_columns(pl.col("keys").fill_null(0))
        source = self.source.update(keys, on="settlement_date")
        return replace(self, source=source, counts=pl.concat([others, counts]))

    @cached_property
    def dates(self) -> pl.DataFrame:
        """One row per settlement date: expected, matched, missing, duplicate, orphan, wrong; in order of date."""
        counted = (
            self.counts.with_columns(missing=pl.col("expected") - pl.col("matched"))
            .group_by("settlement_date")
            .agg(pl.col(DATE_FIELDS).sum())
            .sort("settlement_date")
        )
        if self.values is None:
            return counted.with_columns(wrong=pl.lit(None, pl.Int64))
        judged = counted.join(self.values.off_by_date, on="settlement_date", how="left", maintain_order="left")
        surplus = (pl.max_horizontal(name, f"{name}_judged") for name in ("duplicate", "orphan"))
        off = judged.with_columns(pl.col("wrong").fill_null(0), *surplus)
        return off.drop("duplicate_judged", "orphan_judged")

    @property
    def incomplete(self) -> pl.DataFrame:
        """The dates that do not agree: most missing first, newest first among equals."""
        off = self.dates.filter(pl.sum_horizontal(OFF_FIELDS) > 0)
        return off.sort(["missing", "settlement_date"], descending=True)

    @property
    def months(self) -> pl.DataFrame:
        """One row per month with incomplete dates: `dates`, `missing` and `wrong`, in order."""
        months = self.incomplete.group_by(month=pl.col("settlement_date").dt.strftime("%Y-%m"))
        wrong = pl.when(pl.col("wrong").count() > 0).then(pl.col("wrong").sum())  # the sum of nulls would be 0
        return months.agg(dates=pl.len().cast(pl.Int64), missing=pl.col("missing").sum(), wrong=wrong).sort("month")

    def to_frame(self) -> pl.DataFrame:
        """One row per settlement date; as `dates`."""
        return self.dates

    def total(self, name: str) -> int:
        """The sum of one of DATE_FIELDS over the window."""
        return int(self.dates.get_column(name).sum()) + (self.undated.stored if name == "orphan" else 0)

    @property
    def invalid(self) -> int:
        """The rows of the curtailment that cannot be priced."""
        return int(self.source.get_column("invalid").sum()) + self.undated.source

    @property
    def stored(self) -> int:
        """The rows that the calculations have in the window."""
        return sum(self.total(name) for name in ("matched", "duplicate", "orphan"))

    @property
    def reconciled(self) -> bool:
        """Nothing missing, nothing twice, nothing that should not be there, no value found wrong, no file damaged."""
        return self.incomplete.is_empty() and not self.damage and not self.undated.stored

    @property
    def values_compared(self) -> bool:
        """Whether every stored value was compared with what it should be."""
        return self.values is not None and not self.values.blocked

    @property
    def exit_code(self) -> ExitCode:
        """0 reconciled, 1 differences."""
        return ExitCode.OK if self.reconciled else ExitCode.DIFFERENCES

    @property
    def date_totals(self) -> dict[str, int]:
        """Dates with curtailment: total, complete (agreeing), empty (nothing matched), partial (the others)."""
        with_keys = self.dates.filter(pl.col("expected") > 0)
        off = self.incomplete.filter(pl.col("expected") > 0)
        empty = with_keys.filter(pl.col("matched") == 0).height
        complete = with_keys.height - off.height
        return {"total": with_keys.height, "complete": complete, "partial": off.height - empty, "empty": empty}

    @property
    def by_model(self) -> dict[str, dict[str, int]]:
        """Expected, matched and missing of each configured miner model."""
        sums = self.counts.group_by("miner_model").agg(pl.col("expected", "matched").sum())
        found = {row["miner_model"]: row for row in sums.to_dicts()}
        rows = ((model, found.get(model, {"expected": 0, "matched": 0})) for model in self.miner_models)
        return {
            model: {
                "expected": row["expected"],
                "matched": row["matched"],
                "missing": row["expected"] - row["matched"],
            }
            for model, row in rows
        }

    def to_dict(self, command: str = "status") -> dict[str, Any]:
        """The JSON document of `recon status`."""
        return {
            "schema_version": SCHEMA_VERSION,
            "command": command,
            "window": self.window.to_dict(),
            "curtailment_rows": int(self.source.get_column("source_rows").sum()) + self.undated.source,
            "invalid": self.invalid,
            "keys": int(self.source.get_column("keys").sum()),
            "miner_models": list(self.miner_models),
            **{name: self.total(name) for name in DATE_FIELDS},
            "by_model": self.by_model,
            "percent": percent(self.total("matched"), self.total("expected")),
            "dates": self.date_totals,
            "undated": vars(self.undated),
            "reconciled": self.reconciled,
            "values_compared": self.values_compared,
            **({"values": self.values.to_dict()} if self.values else {}),
            **({} if self.damage is None else {"damage": [found.to_dict() for found in self.damage]}),
            **({} if self.damage is None else {"left_out": dict(self.left_out)}),
        }


def date_rows(dates: pl.DataFrame) -> list[dict[str, Any]]:
    """`worst_dates` of the contract, from rows of Status.dates; with `wrong` where values were compared."""
    return [
        {
            "date": row["settlement_date"].isoformat(),
            **{name: row[name] for name in (*DATE_FIELDS, "wrong") if row[name] is not None},
            "percent": percent(row["matched"], row["expected"]),
        }
        for row in dates.to_dicts()
    ]


@dataclass(frozen=True)
class DateResult:
    """What became of one planned settlement date.

    status: done | skipped (nothing was missing when its turn came) | failed | blocked | pending.
    missing, inserted, replaced (wrong rows, whose values were written anew in place; inserted counts them, too) and
    removed (duplicates and orphans) count rows; btc is what the inserted rows sum to per model, as exact decimals.
    """

    day: date
    status: str
    missing: int
    inserted: int = 0
    replaced: int = 0
    removed: int = 0
    attempts: int = 0
    seconds: float = 0.0
    error: str | None = None
    btc: tuple[tuple[str, str], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """One entry of `dates` in the contract."""
        return {
            "date": self.day.isoformat(),
            "status": self.status,
            "missing": self.missing,
            "inserted": self.inserted,
            "replaced": self.replaced,
            "removed": self.removed,
            "attempts": self.attempts,
            "seconds": round(self.seconds, 3),
            "error": self.error,
        }


RESULTS: FrameSchema = {
    "date": pl.Date,
    "status": pl.String,
    **dict.fromkeys(("missing", "inserted", "replaced", "removed", "attempts"), pl.Int64),
    "seconds": pl.Float64,
    "error": pl.String,
}
"""One row per DateResult."""


@dataclass(frozen=True)
class FixReport:
    """What a run that writes was to do, did, and left.

    results: one per planned date, in the plan's order. after: the window as it stands at the end (with a dry run:
    as it stands), each date that was worked on as its chunk verified it before it was committed. run_id is None when
    nothing was written. failed_keys: (date, period, farm, error) of a key-by-key run. changes: the stored rows that a
    repair would replace or remove (values.DOOMED), of a dry run only. refused: what others would lose by removals, for
    which these are refused; of a dry run only. undated: the rows without a date that were removed (with a dry run:
    would be); undated_error: why they were not.
    """

    command: str
    run_id: str | None
    results: tuple[DateResult, ...]
    after: Status
    seconds: float
    dry_run: bool = False
    failed_keys: tuple[tuple[date, int, str, str], ...] = ()
    changes: pl.DataFrame | None = None
    refused: tuple[str, ...] = ()
    undated: int = 0
    undated_error: str | None = None

    @property
    def inserted(self) -> int:
        """Rows written: those that were missing, and those whose values were replaced."""
        return sum(result.inserted for result in self.results)

    @property
    def removed(self) -> int:
        """Rows removed, with or without a date."""
        return sum(result.removed for result in self.results) + (0 if self.dry_run else self.undated)

    @property
    def btc(self) -> dict[str, Decimal]:
        """The exact BTC sum of the rows written, per configured miner model."""
        sums = dict.fromkeys(self.after.miner_models, Decimal("0.00000000"))
        for result in self.results:
            for model, bitcoin in result.btc:
                sums[model] = sums.get(model, Decimal(0)) + Decimal(bitcoin)
        return sums

    @property
    def changes_per_date(self) -> dict[date, int]:
        """How many stored rows of each date a repair replaces or removes."""
        return {} if self.changes is None else dict(self.changes.group_by("settlement_date").len().iter_rows())

    def to_frame(self) -> pl.DataFrame:
        """One row per planned date, in the plan's order: what `dates` of the document says."""
        rows = [{**result.to_dict(), "date": result.day} for result in self.results]
        return pl.DataFrame(rows, schema=RESULTS, orient="row")

    def dates_with(self, status: str) -> list[DateResult]:
        """The results of that status."""
        return [result for result in self.results if result.status == status]

    @property
    def undone(self) -> list[DateResult]:
        """The dates that did not come to their end. What they hold is not as it was to be, whatever is counted."""
        return [] if self.dry_run else [result for result in self.results if result.status not in ("done", "skipped")]

    @property
    def reconciled(self) -> bool:
        """The tables agree, and nothing that was to be mended failed or is left, or was found by a dry run."""
        planned = self.dry_run and self.changes is not None and not self.changes.is_empty()
        return self.after.reconciled and not self.undone and not self.undated_error and not planned

    @property
    def statuses(self) -> Counter[str]:
        """How many dates came to what."""
        return Counter(result.status for result in self.results)

    @property
    def exit_code(self) -> ExitCode:
        """0 done and reconciled, 1 differences left (or, with a dry run, found), 4 dates failed or blocked."""
        if self.undone or self.undated_error:
            return ExitCode.INCOMPLETE
        return ExitCode.OK if self.reconciled else ExitCode.DIFFERENCES

    def to_dict(self) -> dict[str, Any]:
        """The JSON document of `fix`, `date`, `range`, `resume`, `daily` and `minimal`."""
        writable = [result for result in self.results if result.status != "blocked"]
        return {
            "schema_version": SCHEMA_VERSION,
            "command": self.command,
            "run_id": self.run_id,
            "window": self.after.window.to_dict(),
            "planned": {"dates": len(writable), "rows": sum(result.missing for result in writable)},
            "dates": [result.to_dict() for result in self.results],
            "inserted": self.inserted,
            "replaced": sum(result.replaced for result in self.results),
            "removed": self.removed,
            "undated": self.undated,
            "btc": {model: f"{bitcoin:.8f}" for model, bitcoin in self.btc.items()},
            "remaining": self.after.total("missing"),
            "seconds": round(self.seconds, 3),
            "reconciled": self.reconciled,
            "values_compared": self.after.values_compared,
            "dry_run": self.dry_run,
            "failed_keys": [
                {"settlement_date": day.isoformat(), "settlement_period": period, "farm_id": farm, "error": error}
                for day, period, farm, error in self.failed_keys
            ],
            **({"changes": change_rows(self.changes)} if self.dry_run and self.changes is not None else {}),
            **({"refused": list(self.refused)} if self.refused else {}),
        }


def change_rows(changes: pl.DataFrame) -> list[dict[str, Any]]:
    """`changes` of a dry run: every stored row that would be replaced or removed, why, and what would be there."""
    return [
        {
            "date": str(row["settlement_date"]),
            "settlement_period": row["settlement_period"],
            "farm_id": row["farm_id"],
            "miner_model": row["miner_model"],
            "reason": row["verdict"],
            "action": row["action"],
            "stored_btc": _number(row["stored_btc"]),
            "computed_btc": _number(row["expected_btc"]),
        }
        for row in changes.to_dicts()
    ]
