"""The rows that repairs took out of the table: to look at, and to put back."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

from recon import __version__, ledger
from recon.config import Settings
from recon.database import Session, connect, sql
from recon.errors import DatabaseError, ExitCode, PermissionDenied, UsageError
from recon.load import lock
from recon.planning import PlannedDate
from recon.report import SCHEMA_VERSION, DateResult
from recon.tables import Layout, inspect

COMMAND = "quarantine restore"


@dataclass(frozen=True)
class RestoreReport:
    """What was put back of a run's rows, date by date; run_id is None when there was nothing to do.

    In a date's result, `inserted` counts rows put back and `removed` rows that stood in their place.
    """

    run_id: str | None
    of_run: str
    results: tuple[DateResult, ...]
    dry_run: bool

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
            "schema_version": SCHEMA_VERSION,
            "command": COMMAND,
            "run_id": self.run_id,
            "of_run": self.of_run,
            "restored": self.restored,
            "removed": sum(result.removed for result in self.results),
            "dates": [result.to_dict() for result in self.results],
            "dry_run": self.dry_run,
        }


def rows(settings: Settings, run_id: str | None, *, name: str) -> list[dict[str, Any]]:
    """The quarantined rows, `whole_row` and `replacement` as JSON values; LedgerError for an unknown run."""
    with connect(settings, name) as session:
        if not ledger.require(session):
            return []
        if run_id is not None:
            ledger.find(session, run_id)
        found = session.rows(sql("quarantine_list"), run_id)
    for row in found:
        row["settlement_date"] = str(row["settlement_date"])
        row["whole_row"] = json.loads(row["whole_row"])
        row["replacement"] = json.loads(row["replacement"] or "null")
    return found


def restore(
    settings: Settings, of_run: str, *, run_id: str, dry_run: bool, confirm: Callable[[int], None]
) -> RestoreReport:
    """Puts back what a run took out: each date in one transaction, recorded as a run of its own.

    What the run wrote in its place goes to the quarantine. A date whose rows were changed by someone since is left
    alone and reported as failed. A restore is not restored: the repair is simply made again.
    """
    with connect(settings, f"recon/quarantine/{run_id}") as session:
        ledger.require(session)
        if ledger.find(session, of_run)["command"] == COMMAND:
            raise UsageError(f"run {of_run} is a restore itself", "repair again with 'recon fix --repair ...'")
        layout = inspect(session, settings, writing=not dry_run, removing=not dry_run)
        table = str(layout.calculations.name)
        found = session.rows(sql("quarantine_dates"), of_run, table)
        planned = [PlannedDate(row["settlement_date"], row["rows"], row["rows"]) for row in found]
        if dry_run or not planned:
            return RestoreReport(None, of_run, tuple(date.result for date in planned), dry_run)
        confirm(sum(row["rows"] for row in found))
        ends = (planned[0].day, planned[-1].day)
        ledger.store_plan(session, run_id, COMMAND, __version__, ends, {"of_run": of_run}, planned)
        results = [_restore_date(session, layout, of_run, run_id, row) for row in found]
        ledger.finish(session, run_id)
    return RestoreReport(run_id, of_run, tuple(results), dry_run)


def _restore_date(session: Session, layout: Layout, of_run: str, run_id: str, row: dict[str, Any]) -> DateResult:
    day: date = row["settlement_date"]
    started = time.monotonic()
    try:
        with session.transaction():
            lock(session, layout, [day])
            taken = _take_out(session, layout, of_run, run_id, row)
            back = _put_back(session, layout, of_run, run_id, day)
            seconds = time.monotonic() - started
            done = DateResult(day, "done", row["rows"], back, removed=taken, attempts=1, seconds=seconds)
            (result,) = ledger.record(session, run_id, [done])
            return result
    except PermissionDenied:
        raise
    except DatabaseError as error:
        failed = DateResult(day, "failed", row["rows"], attempts=1, error=str(error))
        return ledger.note_failures(session, run_id, [failed])[0]


def _take_out(session: Session, layout: Layout, of_run: str, run_id: str, row: dict[str, Any]) -> int:
    values = {name: layout.stored_columns[name].exact(f"t.{layout.calculations.column(name)}") for name in _VALUES}
    statement = sql(
        "quarantine_take_out",
        **{**layout.raw_columns, "btc": values["bitcoin_mined"], "difficulty": values["difficulty"]},
    )
    (found,) = session.rows(statement, of_run, run_id, row["settlement_date"], str(layout.calculations.name))
    if found["removed"] != row["replaced"]:
        raise DatabaseError(
            f"{row['replaced'] - found['removed']} rows that run {of_run} wrote were changed since",
            "look at them with 'recon explain', and at the old ones with 'recon quarantine list'",
            code="changed",
        )
    return int(found["removed"])


_VALUES = ("bitcoin_mined", "difficulty")


def _put_back(session: Session, layout: Layout, of_run: str, run_id: str, day: date) -> int:
    columns = session.rows(sql("writable_columns"), layout.calculations_oid)[0]["columns"]
    statement = sql("quarantine_put_back", table=layout.calculations.name.quoted, columns=columns)
    (found,) = session.rows(statement, of_run, run_id, day, str(layout.calculations.name))
    return int(found["restored"])
