"""One frozen report from which every rendering and the exit code derive."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

import polars as pl

from recon.core.errors import ExitCode, document
from recon.core.plan import DateResult, results_frame
from recon.core.schema import json_number
from recon.core.shown import Shown
from recon.core.suggestions import RECON, Program, Suggestion
from recon.core.wording import changed, counted
from recon.reconcile.request import FixRequest
from recon.reconcile.status import Status


@dataclass(frozen=True, repr=False)
class FixReport(Shown):
    """What a run that writes was to do, did, and left.

    request: what was asked. results: one per planned date, in the plan's order. after: the window as it stands at the
    end (with a dry run: as it stands), each date that was worked on as its chunk verified it before it was committed.
    run_id is None when nothing was written. failed_keys: (date, period, farm, error) of a key-by-key run. changes: the
    stored rows that a repair would replace or remove (values.DOOMED), of a dry run only. refused: what others would
    lose by removals, for which these are refused; of a dry run only. undated: the rows without a date that were removed
    (with a dry run: would be); undated_error: why they were not.
    """

    command: str
    run_id: str | None
    results: tuple[DateResult, ...]
    after: Status
    seconds: float
    request: FixRequest = field(default_factory=FixRequest)
    failed_keys: tuple[tuple[date, int, str, str], ...] = ()
    changes: pl.DataFrame | None = None
    refused: tuple[str, ...] = ()
    undated: int = 0
    undated_error: str | None = None

    @property
    def dry_run(self) -> bool:
        """Whether nothing was to be written."""
        return self.request.dry_run

    @property
    def inserted(self) -> int:
        """Rows written: those that were missing, and those whose values were replaced."""
        return sum(result.inserted for result in self.results)

    @property
    def filled(self) -> int:
        """Rows written that were missing."""
        return sum(result.filled for result in self.results)

    @property
    def replaced(self) -> int:
        """Wrong rows whose values were written anew."""
        return sum(result.replaced for result in self.results)

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
    def planned(self) -> dict[str, int]:
        """The dates that can be worked on, and the rows that these lack."""
        writable = [result for result in self.results if result.status != "blocked"]
        return {"dates": len(writable), "rows": sum(result.missing for result in writable)}

    @property
    def changes_per_date(self) -> dict[date, int]:
        """How many stored rows of each date a repair replaces or removes."""
        return {} if self.changes is None else dict(self.changes.group_by("settlement_date").len().iter_rows())

    def to_frame(self) -> pl.DataFrame:
        """One row per planned date, in the plan's order: what `dates` of the document says."""
        return results_frame(self.results)

    @property
    def table(self) -> pl.DataFrame:
        """The same; of a dry run what is to be done alone, with the stored rows that a repair would change."""
        if not self.dry_run:
            return self.to_frame()
        per_date = self.changes_per_date
        changes = pl.Series("changes", [per_date.get(result.day, 0) for result in self.results], pl.Int64)
        return self.to_frame().select("settlement_date", "missing", changes, "status", "error")

    @property
    def sentence(self) -> str:
        """What was done, or with a dry run would be, and how the tables stand."""
        done = changed(self.filled, self.replaced, self.removed)
        if self.dry_run:
            also = f", {counted(self.changing, 'stored row')} to replace or remove" if self.changing else ""
            done = f"dry run, {counted(self.planned['rows'], 'row')} to write{also}"
        dates = ", ".join(f"{counted(many, 'date')} {status}" for status, many in self.statuses.items())
        stands = self.after.sentence if self.reconciled or not self.after.reconciled else "not reconciled"
        return f"{f'run {self.run_id}: ' if self.run_id else ''}{done}{f' ({dates})' if dates else ''}; {stands}"

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
    def missing_before(self) -> int:
        """The rows that were missing before it began: those that were planned, or are still missing."""
        return max(sum(result.missing for result in self.results), self.after.total("missing"))

    @property
    def statuses(self) -> Counter[str]:
        """How many dates came to what."""
        return Counter(result.status for result in self.results)

    @property
    def planned_removals(self) -> int:
        """Of a dry run: the dated rows that would be removed."""
        return 0 if self.changes is None else self.changes.filter(pl.col("action") == "remove").height

    @property
    def change_reasons(self) -> dict[str, int]:
        """Stored rows that a repair would change, by their cause where they are wrong, else by their verdict."""
        if self.changes is None:
            return {}
        reason = pl.coalesce(pl.col("cause").cast(pl.String), "verdict").alias("reason")
        return dict(self.changes.group_by(reason).len().sort("reason").iter_rows())

    @property
    def exit_code(self) -> ExitCode:
        """0 done and reconciled, 1 differences left (or, with a dry run, found), 4 dates failed or blocked."""
        if self.undone or self.undated_error:
            return ExitCode.INCOMPLETE
        return ExitCode.OK if self.reconciled else ExitCode.DIFFERENCES

    @property
    def next_command(self) -> Suggestion | None:
        """The command that is the best thing to do now, None where nothing is: after a dry run the same run, after one
        that left dates its end, else what the status needs.
        """
        policy = self.request.policy
        if not self.dry_run:
            unfinished = self.run_id and any(result.status != "blocked" for result in self.undone)
            changing = ("--yes", *self._limit(0)) if policy.changes_rows else ()
            return Suggestion("resume", self.run_id, *changing) if unfinished else self.after.next_command()
        repairs = policy.repairs - {"duplicate", "orphan"} if self.refused else policy.repairs
        rows = self.changing if not self.refused else self.changing - self.planned_removals - self.undated
        if rows:
            return self.request.command(repairs, "--yes", *self._limit(rows))
        if self.planned["rows"]:
            return self.request.command(["missing"])
        return self.after.next_command(tried=policy.repairs)

    @property
    def changing(self) -> int:
        """The stored rows that a dry run would replace or remove."""
        return (0 if self.changes is None else self.changes.height) + self.undated

    def _limit(self, rows: int) -> tuple[object, ...]:
        """The option that lets so many stored rows change, where the usual limit does not, or another one was given."""
        limit = self.request.limit
        if not limit.allows(rows, self.after.stored):
            return "--max-changes", rows
        return () if limit == FixRequest().limit else ("--max-changes", limit)

    def to_dict(self, program: Program = RECON) -> dict[str, Any]:
        """The JSON document of `fix`, `date`, `range`, `resume`, `daily` and `minimal`; `wrong`: None unless the values
        were compared. program: what suggested commands begin with.
        """
        then = self.next_command
        return {
            **document(self.command),
            "run_id": self.run_id,
            "window": self.after.looked_at.to_dict(),
            "planned": self.planned,
            "dates": [result.to_dict() for result in self.results],
            "inserted": self.inserted,
            "replaced": self.replaced,
            "removed": self.removed,
            "undated": self.undated,
            "btc": {model: f"{bitcoin:.8f}" for model, bitcoin in self.btc.items()},
            "missing_before": self.missing_before,
            "remaining": self.after.total("missing"),
            "duplicate": self.after.total("duplicate"),
            "orphan": self.after.total("orphan"),
            "wrong": self.after.values.wrong if self.after.values else None,
            "blocked_dates": self.statuses["blocked"],
            "failed_dates": self.statuses["failed"],
            "seconds": round(self.seconds, 3),
            "reconciled": self.reconciled,
            "values_compared": self.after.values_compared,
            "dry_run": self.dry_run,
            "exit_code": self.exit_code,
            "failed_keys": [
                {"settlement_date": day.isoformat(), "settlement_period": period, "farm_id": farm, "error": error}
                for day, period, farm, error in self.failed_keys
            ],
            **({"changes": change_rows(self.changes)} if self.dry_run and self.changes is not None else {}),
            **({"refused": list(self.refused)} if self.refused else {}),
            **({"next": program.arguments(then)} if then else {}),
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
            "cause": row["cause"],
            "action": row["action"],
            "stored_btc": json_number(row["stored_btc"]),
            "computed_btc": json_number(row["expected_btc"]),
        }
        for row in changes.to_dicts()
    ]
