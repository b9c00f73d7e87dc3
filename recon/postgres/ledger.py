"""The ledger: schema `recon` in the same database, so that a checkpoint can never disagree with the rows.

A chunk's line is written in the transaction that writes its rows: both are committed, or neither is.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date
from typing import Any

from recon.core.errors import DatabaseError, ExitCode, IncompleteError, Interrupted, LedgerError, PermissionDenied
from recon.core.names import quote_identifier
from recon.core.plan import DateResult, PlannedDate
from recon.core.settings import Settings
from recon.core.version import __version__
from recon.postgres.session import Session, connect
from recon.postgres.sql import sql

VERSION = 2
READABLE = (1, VERSION)
"""What only reads goes on with the older form; what writes upgrades it first."""
LOCK = 0x5EC0_0001
FINISHED = ("done", "skipped")
OPEN = ("running", "stopped")
"""A run that is not closed: it is at work, or it died."""


def ddl() -> str:
    """The statements that create or upgrade the ledger, to hand to an administrator."""
    return sql("postgres/ledger")


def _statements() -> list[str]:
    return [part.strip() for part in ddl().split(";\n") if part.strip()]


def version(session: Session) -> int | None:
    """The ledger's version; None where there is none. PermissionDenied says what to ask for."""
    try:
        if session.rows("select to_regclass('recon.ledger_version') is null as absent")[0]["absent"]:
            return None
        return int(session.rows("select max(version) as version from recon.ledger_version")[0]["version"] or 0)
    except PermissionDenied as error:
        grants = " ".join(_grants(session).splitlines())
        raise PermissionDenied(f"the ledger is closed: {error.message}", f"ask its owner for: {grants}") from None


def ensure(session: Session) -> bool:
    """Creates the ledger where there is none, or upgrades it; whether it did. LedgerError for a version of others."""
    there = version(session)
    if _fits(there) and there == VERSION:
        return False
    try:
        with session.transaction():
            session.execute(f"select pg_advisory_xact_lock({LOCK})")
            new_schema, *statements = _statements()  # where it is there, no right to create one is needed
            for statement in statements if _has_schema(session) else (new_schema, *statements):
                session.execute(statement)
    except PermissionDenied as error:
        done = "created" if there is None else f"upgraded from version {there} to {VERSION}"
        raise PermissionDenied(
            f"the ledger cannot be {done}: {error.message}",
            f"ask an administrator to run:\n{ddl()}{_grants(session)}",
        ) from None
    return True


def _has_schema(session: Session) -> bool:
    return bool(session.rows("select to_regnamespace('recon') is not null as there")[0]["there"])


def _grants(session: Session) -> str:
    """What this role needs of the ledger, as the guide to privileges has it for a writer."""
    role = quote_identifier(session.rows("select current_user::text as name")[0]["name"])
    return (
        f"GRANT USAGE ON SCHEMA recon TO {role};\n"
        f"GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA recon TO {role};\n"
    )


def require(session: Session) -> bool:
    """Whether there is a ledger that this version can read."""
    return _fits(version(session))


def _fits(number: int | None) -> bool:
    if number is not None and number not in READABLE:
        raise LedgerError(
            f"the ledger in schema recon is of version {number}, this program needs {VERSION}",
            "use the version of recon that wrote it, or rename the schema; 'recon init' then makes a new one",
        )
    return number is not None


@dataclass(frozen=True)
class NewRun:
    """A run as it begins: its command, the ends of its window, its options as JSON, and how many stored rows it may
    change in all (None: any number).
    """

    run_id: str
    command: str
    ends: tuple[date | None, date | None]
    parameters: dict[str, Any]
    max_changes: int | None = None


def store_plan(session: Session, run: NewRun, dates: Sequence[PlannedDate]) -> None:
    """Stores a run with its whole plan, before anything is written."""
    values = [planned.result for planned in dates]
    with session.transaction():
        parameters = json.dumps(run.parameters)
        begun = (run.run_id, run.command, __version__, *run.ends, parameters, run.max_changes)
        session.execute(sql("postgres/run_insert"), *begun)
        if not dates:
            return
        session.execute(
            sql("postgres/run_dates_insert"),
            run.run_id,
            [v.day for v in values],
            list(range(len(values))),
            [v.status for v in values],
            [planned.expected for planned in dates],
            [v.missing for v in values],
            [v.error or "" for v in values],
        )


def record(session: Session, run_id: str, results: Sequence[DateResult]) -> list[DateResult]:
    """Writes the results of some dates, inside the caller's transaction; returns what the ledger now says of them.

    IncompleteError (`code` "max_changes") where the rows that were changed are more than the run may change.
    """
    count_changes(session, run_id, sum(r.replaced + r.removed for r in results))
    rows = session.rows(
        sql("postgres/run_dates_record"),
        run_id,
        [r.day for r in results],
        [r.status for r in results],
        [r.inserted for r in results],
        [r.attempts for r in results],
        [r.seconds for r in results],
        [r.error or "" for r in results],
        [json.dumps(dict(r.btc)) for r in results],
        [r.replaced for r in results],
        [r.removed for r in results],
    )
    if len(rows) != len(results):
        raise LedgerError(
            f"the ledger holds {len(rows)} of {len(results)} dates of run {run_id}",
            "someone removed its lines; start anew with 'recon fix'",
        )
    return [_result(row) for row in sorted(rows, key=lambda row: row["settlement_date"])]


def count_changes(session: Session, run_id: str, rows: int) -> None:
    """Counts stored rows that the run changed, inside the caller's transaction; IncompleteError (`code` "max_changes")
    where they are more than it may change.
    """
    if not rows or session.rows(sql("postgres/run_count"), run_id, rows):
        return
    changed, most = changes(session, run_id)
    raise IncompleteError(
        f"{changed:,} stored rows were changed, and {rows:,} more would pass the {most or 0:,} of --max-changes",
        f"look at them with 'recon fix --repair ... --dry-run'; 'recon resume {run_id} --max-changes N --yes' goes on",
        code="max_changes",
    )


def changes(session: Session, run_id: str) -> tuple[int, int | None]:
    """How many stored rows a run has changed, and how many it may change in all."""
    (row,) = session.rows(sql("postgres/run_changes"), run_id)
    return row["changed"], row["max_changes"]


def limit_changes(session: Session, run_id: str, most: int) -> None:
    """From now on the run may change so many stored rows in all."""
    session.execute(sql("postgres/run_limit"), run_id, most)


def _result(row: dict[str, Any]) -> DateResult:
    btc = tuple(sorted(json.loads(row["btc"]).items()))
    counts = ("status", "missing", "inserted", "replaced", "removed", "attempts", "seconds")
    fields = {name: row[name] for name in counts}
    return DateResult(row["settlement_date"], **fields, error=row["error"] or None, btc=btc)


def finish(session: Session, run_id: str, status: str | None = None) -> None:
    """Closes a run: done where all its dates are, else as `status` (interrupted, failed; without one incomplete)."""
    session.execute(sql("postgres/run_finish"), run_id, status)


@contextmanager
def closing(settings: Settings, name: str, run_id: str) -> Iterator[None]:
    """Work on a run that is closed even if the work raises: as interrupted after a signal, as failed after an error.

    It is closed on a connection of its own (`name`: its application name), since the work's may be lost or stopped.
    The error of the work is raised in any case; where the server cannot be reached any more the run stays open.
    """
    try:
        yield
    except BaseException as error:
        status = "interrupted" if isinstance(error, (Interrupted, KeyboardInterrupt)) else "failed"
        with suppress(DatabaseError), connect(settings, name, last_words=True) as session:
            finish(session, run_id, status)
        raise


def runs(session: Session, run_id: str | None = None) -> list[dict[str, Any]]:
    """All runs, newest first, or the one named; each with its dates' totals and its parameters (None: damaged)."""
    if not require(session):
        return []
    rows = session.rows(sql("postgres/runs"), run_id)
    for row in rows:
        row["parameters"] = _parameters(row["parameters"])
    return rows


def _parameters(text: str) -> dict[str, Any] | None:
    parameters = json.loads(text)  # jsonb: it can be read, but need not be what it was
    return parameters if isinstance(parameters, dict) else None


def find(session: Session, run_id: str) -> dict[str, Any]:
    """The run of that id; LedgerError when the ledger does not hold it, or not its parameters any more."""
    named = runs(session, run_id)
    if not named:
        raise LedgerError(f"there is no run {run_id}", "see 'recon runs'", code="no_run")
    if named[0]["parameters"] is None:
        raise LedgerError(f"the parameters of run {run_id} are damaged", "start anew with 'recon fix'")
    return named[0]


def dates(session: Session, run_id: str) -> list[DateResult]:
    """One result per date of a run, in the plan's order."""
    return [_result(row) for row in session.rows(sql("postgres/run_dates"), run_id)]


def unfinished(session: Session, run_id: str) -> list[PlannedDate]:
    """The dates of a run that are neither done nor skipped, in the plan's order."""
    rows = session.rows(sql("postgres/run_dates"), run_id)
    return [
        PlannedDate(row["settlement_date"], row["expected"], row["missing"])
        for row in rows
        if row["status"] not in FINISHED
    ]


def newest_unfinished(session: Session) -> str | None:
    """The id of the newest run with unfinished dates, or that died before it was closed.

    Restoring from the quarantine is begun anew, not resumed; so is a run whose parameters are damaged, which is
    asked for only as long as nothing was begun after it.
    """
    for number, row in enumerate(runs(session)):
        unfinished = row["dates_done"] < row["dates"] or row["status"] == "stopped"
        resumable = number == 0 if row["parameters"] is None else "window" in row["parameters"]
        if unfinished and resumable:
            return str(row["run_id"])
    return None


def note_failures(session: Session, run_id: str, results: Sequence[DateResult]) -> list[DateResult]:
    """Records failed dates on their own, and returns what the ledger now says of them."""
    with session.transaction():
        return record(session, run_id, results)


def last_posted(session: Session) -> int | None:
    """The exit code of the nightly run that was posted last; None without one."""
    posted = session.rows(sql("postgres/last_posted")) if require(session) else []
    return int(posted[0]["exit_code"]) if posted else None


def note_posted(session: Session, run_id: str, ends: tuple[date, date], exit_code: int) -> None:
    """Notes that a nightly run was posted with that exit code."""
    ensure(session)
    status = "done" if exit_code in (ExitCode.OK, ExitCode.DIFFERENCES) else "incomplete"
    with session.transaction():
        session.execute(sql("postgres/note_posted"), run_id, __version__, status, *ends, str(exit_code))


def history(settings: Settings, run_id: str | None, *, name: str) -> tuple[list[dict[str, Any]], list[DateResult]]:
    """All runs, newest first; or the one named, with its dates. LedgerError when it is not there."""
    with connect(settings, name) as session:
        if run_id is None:
            return runs(session), []
        return [find(session, run_id)], dates(session, run_id)
