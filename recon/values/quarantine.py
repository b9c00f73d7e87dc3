"""The rows that repairs replaced or removed: to look at, and to put back."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl

from recon.core.errors import DatabaseError, ExitCode, PermissionDenied, UsageError, document
from recon.core.plan import DateResult, PlannedDate
from recon.core.schema import CALC_KEY_SCHEMA, FrameSchema
from recon.core.settings import Settings
from recon.core.shown import Shown
from recon.core.wording import counted
from recon.postgres import ledger
from recon.postgres.inspect import VALUES, inspect
from recon.postgres.session import connect
from recon.postgres.sql import sql
from recon.postgres.tables import Tables
from recon.values.restoring import fitting, put_back

COMMAND = "quarantine restore"


@dataclass(frozen=True)
class RestoreReport:
    """What was put back of a run's rows, date by date; run_id is None when there was nothing to do.

    In a date's result, `inserted` counts rows put back and `removed` rows that an older version had put in their place.
    notes: what is not quite as it was, a line each.
    """

    run_id: str | None
    of_run: str
    results: tuple[DateResult, ...]
    dry_run: bool
    notes: tuple[str, ...] = ()

    @property
    def exit_code(self) -> ExitCode:
        """0, or 4 when dates were left alone because their rows changed since."""
        failed = any(result.status == "failed" for result in self.results)
        return ExitCode.INCOMPLETE if failed else ExitCode.OK

    @property
    def restored(self) -> int:
        """Rows put back."""
        return sum(result.inserted for result in self.results)

    def to_dict(self) -> dict[str, Any]:
        """The JSON document of `recon quarantine restore`."""
        return {
            **document(COMMAND),
            "run_id": self.run_id,
            "of_run": self.of_run,
            "restored": self.restored,
            "removed": sum(result.removed for result in self.results),
            "dates": [result.to_dict() for result in self.results],
            "dry_run": self.dry_run,
            "notes": list(self.notes),
        }


@dataclass(frozen=True, repr=False)
class Quarantine(Shown):
    """What repairs replaced or removed.

    rows: one entry per row, `whole_row` and `replacement` as JSON values; old, new: `bitcoin_mined` and `difficulty` as
    text, each before and after; new is null of a row that was removed. runs: one entry per run, newest first: `rows`,
    `reasons` (rows each), `first_date`, `last_date` (null: rows without a date), how many were `restored`, and
    `restored_by` which runs.
    """

    rows: tuple[dict[str, Any], ...] = ()
    runs: tuple[dict[str, Any], ...] = ()

    @property
    def exit_code(self) -> ExitCode:
        """0: they were shown."""
        return ExitCode.OK

    def to_dict(self) -> dict[str, Any]:
        """The JSON document of `recon quarantine list`."""
        return document("quarantine list", runs=list(self.runs), rows=list(self.rows))

    def to_frame(self) -> pl.DataFrame:
        """KEPT_ROWS; `whole_row` and `replacement` as JSON text."""
        as_text = {name: [_json_text(row[name]) for row in self.rows] for name in ("whole_row", "replacement")}
        plain = {name: [row[name] for row in self.rows] for name in KEPT_ROWS if name not in as_text}
        texts = [row["settlement_date"] for row in self.rows]
        days = [text and date.fromisoformat(text) for text in texts]
        return pl.DataFrame({**plain, **as_text, "settlement_date": days}, schema=KEPT_ROWS)

    @property
    def table(self) -> pl.DataFrame:
        """The rows without what only a program reads."""
        return self.to_frame().drop("id", "quarantined_at", "table_name")

    @property
    def sentence(self) -> str:
        """How many rows of how many runs, and how many of them are back."""
        if not self.rows:
            return "the quarantine is empty"
        of_runs = counted(len({row["run_id"] for row in self.rows}), "run")
        back = sum(row["restored_by"] is not None for row in self.rows)
        return f"{counted(len(self.rows), 'row')} of {of_runs}, {back:,} of them restored"


KEPT_ROWS: FrameSchema = {
    "id": pl.Int64,
    "run_id": pl.String,
    "quarantined_at": pl.String,
    "reason": pl.String,
    "table_name": pl.String,
    **CALC_KEY_SCHEMA,
    "whole_row": pl.String,
    "replacement": pl.String,
    "restored_by": pl.String,
}
"""One row per row that a repair replaced or removed."""


def _json_text(value: object) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False)


def kept(settings: Settings, run_id: str | None, *, name: str) -> Quarantine:
    """What is in the quarantine, of all runs or of one; LedgerError for an unknown run."""
    with connect(settings, name) as session:
        if not ledger.require(session):
            return Quarantine()
        if run_id is not None:
            ledger.find(session, run_id)
        columns = dict(settings.calculations.columns)
        found = session.query("values/quarantine_list", run_id, *(columns[value] for value in VALUES))
        runs = session.query("values/quarantine_runs", run_id)
    for row in found:
        row["whole_row"] = json.loads(row["whole_row"])
        row["old"] = {
            value: row.pop(f"old_{short}") for value, short in zip(VALUES, ("btc", "difficulty"), strict=True)
        }
        row["new"] = row["replacement"] = json.loads(row["replacement"] or "null")
    for run in runs:
        run["reasons"] = json.loads(run["reasons"])
        run["restored_by"] = run["restored_by"].split()
    return Quarantine(tuple(found), tuple(runs))


def restore(
    settings: Settings, of_run: str, *, run_id: str, dry_run: bool, confirm: Callable[[int], None]
) -> RestoreReport:
    """Puts back what a run replaced or removed: each date in one transaction, recorded as a run of its own.

    Replaced values are written back in place, removed rows are inserted whole. A date whose rows were changed by
    someone since, or would not come back equal, is left alone and reported as failed. Rows of another table, or of
    columns that are not there any more, are refused before anything is changed. A restore is not restored: the repair
    is simply made again.
    """
    name = f"recon/quarantine/{run_id}"
    with connect(settings, name) as session:
        ledger.require(session)
        if ledger.find(session, of_run)["command"] == COMMAND:
            raise UsageError(f"run {of_run} is a restore itself", "repair again with 'recon fix --repair ...'")
        layout = inspect(session, settings, writing=not dry_run, removing=not dry_run, updating=not dry_run)
        tables = Tables(session, layout)
        notes = fitting(tables, of_run)
        found = session.rows(sql("values/quarantine_dates", day=sql("values/quarantine_day")), of_run)
        planned = [PlannedDate(row["settlement_date"], row["rows"], row["rows"]) for row in found]
        if dry_run or not planned:
            return RestoreReport(None, of_run, tuple(date.result for date in planned), dry_run, notes)
        confirm(sum(row["rows"] for row in found))
        ledger.ensure(session)
        ends = (planned[0].day, planned[-1].day)
        ledger.store_plan(session, ledger.NewRun(run_id, COMMAND, ends, {"of_run": of_run}), planned)
        with ledger.closing(settings, name, run_id):
            results = [_restore_date(tables, of_run, run_id, it) for it in planned]
            ledger.finish(session, run_id)
    return RestoreReport(run_id, of_run, tuple(results), dry_run, notes)


def _restore_date(tables: Tables, of_run: str, run_id: str, planned: PlannedDate) -> DateResult:
    day, rows = planned.day, planned.expected
    started = time.monotonic()
    try:
        with tables.session.transaction():
            tables.lock([day])
            back, taken = put_back(tables, of_run, run_id, day)
            seconds = time.monotonic() - started
            done = DateResult(day, "done", rows, back, removed=taken, attempts=1, seconds=seconds)
            (result,) = ledger.record(tables.session, run_id, [done])
            return result
    except PermissionDenied:
        raise
    except DatabaseError as error:
        failed = DateResult(day, "failed", rows, attempts=1, error=str(error))
        return ledger.note_failures(tables.session, run_id, [failed])[0]
