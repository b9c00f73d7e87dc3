"""Going on with a stored plan."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import polars as pl

from recon.core.errors import LedgerError
from recon.core.plan import DateResult, PlannedDate, blocked
from recon.core.settings import ChangeLimit, Settings
from recon.postgres import ledger, whole_rows
from recon.postgres.layout import Layout
from recon.postgres.pool import Pool
from recon.postgres.session import Session, connect
from recon.reconcile.engine import Engine, threads
from recon.reconcile.fix import allowed, inspected, possible_of
from recon.reconcile.report import FixReport
from recon.reconcile.request import Job, Pace, check_tables, from_dict
from recon.reconcile.run import Run
from recon.reconcile.status import Status
from recon.reconcile.survey import survey
from recon.reconcile.value_check import changes_of
from recon.reconcile.watcher import Watcher
from recon.reference.reference import Reference
from recon.values import changes


def resume(
    settings: Settings,
    reference: Reference,
    run_id: str | None,
    *,
    watcher: Watcher,
    engine: Engine = threads,
    confirm: Callable[[int], None] = lambda _: None,
    limit: ChangeLimit | None = None,
) -> FixReport | None:
    """Goes on with the stored plan of a run (the newest unfinished one): its unfinished dates, in its order, with
    its parameters. None when nothing is unfinished. A date that was finished meanwhile is found so and skipped.

    The tables are those given now; UsageError where the run is of others. `confirm` is told how many stored rows its
    repairs would change, and raises to stop: whoever agreed when it began did not agree to this. limit: how many rows
    the run may change in all; without one, no more than it was allowed, nor than is usual.
    """
    started = time.monotonic()
    with connect(settings, f"recon/resume/{run_id or 'newest'}") as session:
        run_id = run_id or (ledger.newest_unfinished(session) if ledger.require(session) else None)
        if run_id is None:
            return None
        run = ledger.find(session, run_id)
    settings, reference, pace, window, mending = from_dict(run["parameters"], settings, reference)
    job = Job(run_id, settings, reference, "resume", mending)
    with Pool(settings, job.application_name) as pool:
        with pool.session() as session:
            layout = inspected(session, settings, reference, mending)
            check_tables(run["parameters"], run_id, settings, whole_rows.relations(session, layout))
            ledger.ensure(session)
            left = ledger.unfinished(session, run_id)
            planned = blocked(left, reference.terms([date.day for date in left]))
            if not left and run["status"] in ledger.OPEN:
                ledger.finish(session, run_id)
            with watcher.comparing() as compared:
                after = survey(session, settings, layout, reference.models, window, compared=compared, pool=pool)
            if mending.changes_rows and left:
                _agree_again(session, job, layout, pace, watcher, engine, planned, after, confirm, limit)
        results: tuple[DateResult, ...] = ()
        if left:
            results, after = Run(pool, job, layout, pace, watcher, engine).execute(planned, after)
    return FixReport("resume", run_id, results, after, time.monotonic() - started)


def _agree_again(
    session: Session,
    job: Job,
    layout: Layout,
    pace: Pace,
    watcher: Watcher,
    engine: Engine,
    planned: Sequence[PlannedDate],
    now: Status,
    confirm: Callable[[int], None],
    limit: ChangeLimit | None,
) -> None:
    """What `allowed` asks when a run begins, asked of what is left of it. LedgerError for dates beyond its window."""
    days, (first, last) = [date.day for date in planned], now.window.bounds
    if not all(first <= day <= last for day in days):
        raise LedgerError(f"run {job.run_id} has dates that are not in its window", "start anew with 'recon fix'")
    part = replace(now, counts=now.counts.filter(pl.col("settlement_date").is_in(days)))
    name, mending = job.application_name, job.mending
    found, _ = changes_of(
        job.settings, job.reference, layout, part, mending, name, pace.workers, watcher, False, engine
    )
    found = possible_of(found, planned)
    changed, most = ledger.changes(session, job.run_id)
    refused = changes.dangers(session, layout) if found.get_column("removed").sum() else ()
    usual = limit or ChangeLimit()
    if limit is None and most is not None:
        usual = ChangeLimit(min(most, usual.most(now.stored)), None)
    ledger.limit_changes(session, job.run_id, allowed(found, now.stored, refused, usual, confirm, changed))
