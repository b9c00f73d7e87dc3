"""The rows that repairs replaced or removed: to look at, and to put back."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from recon.core.errors import DatabaseError, ExitCode, PermissionDenied, UsageError, document
from recon.core.plan import DateResult, PlannedDate
from recon.core.settings import Settings
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


def rows(settings: Settings, run_id: str | None, *, name: str) -> list[dict[str, Any]]:
    """The quarantined rows, `whole_row` and `replacement` as JSON values; LedgerError for an unknown run.

    old, new: `bitcoin_mined` and `difficulty` as text, each before and after; new is null of a row that was removed.
    """
    columns = dict(settings.calculations.columns)
    found = _query(settings, run_id, name, "values/quarantine_list", *(columns[value] for value in VALUES))
    for row in found:
        row["whole_row"] = json.loads(row["whole_row"])
        row["old"] = {
            value: row.pop(f"old_{short}") for value, short in zip(VALUES, ("btc", "difficulty"), strict=True)
        }
        row["new"] = row["replacement"] = json.loads(row["replacement"] or "null")
    return found


def per_run(settings: Settings, run_id: str | None, *, name: str) -> list[dict[str, Any]]:
    """One entry per run with quarantined rows, newest first: `rows`, `reasons` (rows each), `first_date`, `last_date`
    (null: rows without a date), how many were `restored`, and `restored_by` which runs. LedgerError as for `rows`.
    """
    found = _query(settings, run_id, name, "values/quarantine_runs")
    for run in found:
        run["reasons"] = json.loads(run["reasons"])
        run["restored_by"] = run["restored_by"].split()
    return found


def _query(settings: Settings, run_id: str | None, name: str, statement: str, *values: object) -> list[dict[str, Any]]:
    with connect(settings, name) as session:
        if not ledger.require(session):
            return []
        if run_id is not None:
            ledger.find(session, run_id)
        return session.query(statement, run_id, *values)


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
