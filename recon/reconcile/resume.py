"""Going on with a stored plan."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import polars as pl

from recon.core.errors import LedgerError
from recon.core.plan import DateResult, PlannedDate, blocked
from recon.core.settings import ChangeLimit
from recon.postgres import ledger
from recon.postgres.tables import Tables, Undated
from recon.postgres.whole_rows import relations
from recon.reconcile.engine import THREADS, Engine
from recon.reconcile.planned_changes import Confirm, PlannedChanges, agreed, allowed, planned_changes
from recon.reconcile.report import FixReport
from recon.reconcile.request import Job, check_tables, from_dict
from recon.reconcile.run import Run
from recon.reconcile.status import Status
from recon.reconcile.survey import KeyComparison, exact, survey
from recon.reconcile.watcher import Watcher


def resume(
    job: Job,
    run_id: str | None,
    *,
    watcher: Watcher,
    engine: Engine = THREADS,
    confirm: Confirm = agreed,
    limit: ChangeLimit | None = None,
) -> FixReport | None:
    """Go on with the stored plan of a run (the newest unfinished one): its unfinished dates, in its order, with
    its parameters. None when nothing is unfinished. A date that was finished meanwhile is found so and skipped.

    The tables are those given now; UsageError where the run is of others. confirm: called with how many stored rows its
    repairs would change; raises to stop: whoever agreed when it began did not agree to this. limit: how many rows the
    run may change in all; without one, no more than it was allowed, nor than is usual.
    """
    started = time.monotonic()
    stored = _stored_run(job, run_id)
    if stored is None:
        return None
    job, request = from_dict(stored["parameters"], replace(job, run_id=stored["run_id"]))
    request = replace(request, limit=limit or ChangeLimit())
    with job.pool() as pool:
        with job.tables(pool, request) as tables:
            planned = _left(tables, job, stored)
            counted_later = {it.day for it in planned if not it.blocked} if request.policy.fills else set()
            with watcher.comparing() as compared:
                comparison = KeyComparison(compared=compared, estimable=counted_later.intersection)
                after = survey(tables, job, request.window, comparison, pool)
            if request.policy.changes_rows and planned:
                now = _of_dates(job, after, planned)
                asked = planned_changes(job, tables, now, request, watcher, engine).possible(planned)
                _agree_again(tables, job, asked, after.stored, confirm, limit)
        results: tuple[DateResult, ...] = ()
        if planned:
            results, after = Run(pool, job, tables.layout, request, watcher, engine).execute(planned, after)
            after = exact(after, pool, tables)
    return FixReport(job.command, job.run_id, results, after, time.monotonic() - started, request)


def _stored_run(job: Job, run_id: str | None) -> dict[str, Any] | None:
    """The ledger's line of the run, or of the newest unfinished one."""
    with replace(job, run_id=run_id or "newest").session() as session:
        run_id = run_id or (ledger.newest_unfinished(session) if ledger.require(session) else None)
        return None if run_id is None else ledger.find(session, run_id)


def _left(tables: Tables, job: Job, stored: dict[str, Any]) -> list[PlannedDate]:
    """The unfinished dates of a stored run, which is closed where there are none. UsageError for other tables' run."""
    check_tables(stored["parameters"], job.run_id, job.settings, relations(tables))
    ledger.ensure(tables.session)
    left = ledger.unfinished(tables.session, job.run_id)
    if not left and stored["status"] in ledger.OPEN:
        ledger.finish(tables.session, job.run_id)
    return blocked(left, job.reference.terms([it.day for it in left]))


def _of_dates(job: Job, now: Status, planned: Sequence[PlannedDate]) -> Status:
    """The status of the planned dates alone. LedgerError for dates beyond its window."""
    days, (first, last) = [it.day for it in planned], now.window.bounds
    if not all(first <= day <= last for day in days):
        raise LedgerError(f"run {job.run_id} has dates that are not in its window", "start anew with 'recon fix'")
    return replace(now, counts=now.counts.filter(pl.col("settlement_date").is_in(days)), undated=Undated())


def _agree_again(
    tables: Tables, job: Job, asked: PlannedChanges, stored: int, confirm: Confirm, limit: ChangeLimit | None
) -> None:
    """What `allowed` asks when a run begins, asked of what is left of it."""
    changed, most = ledger.changes(tables.session, job.run_id)
    usual = limit or ChangeLimit()
    if limit is None and most is not None:
        usual = ChangeLimit(min(most, usual.most(stored)), None)
    most = allowed(asked, stored, asked.dangers(tables), usual, confirm, changed)
    ledger.limit_changes(tables.session, job.run_id, most)
