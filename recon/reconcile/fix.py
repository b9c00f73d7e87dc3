"""The main job: survey, plan, agree, store, then chunk by chunk, each verified before it is committed."""

from __future__ import annotations

import time
from dataclasses import replace

from recon.core.errors import DatabaseError, IncompleteError
from recon.core.plan import plan
from recon.postgres.errors import ends_run
from recon.postgres.inspect import inspect
from recon.postgres.layout import Layout
from recon.postgres.pool import Pool
from recon.postgres.session import Session
from recon.postgres.tables import Tables
from recon.reconcile import undated
from recon.reconcile.engine import Engine, threads
from recon.reconcile.planned_changes import Confirm, agreed, allowed, planned_changes
from recon.reconcile.report import FixReport
from recon.reconcile.request import FixRequest, Job
from recon.reconcile.retries import retried
from recon.reconcile.run import Run, begin
from recon.reconcile.status import Status
from recon.reconcile.survey import KeyComparison, exact, survey
from recon.reconcile.watcher import Watcher
from recon.values import changes


def fix(
    job: Job, request: FixRequest, *, watcher: Watcher, engine: Engine = threads, confirm: Confirm = agreed
) -> FixReport:
    """Fill every gap of the window: plan, chunks, and the status after as each chunk verified it.

    confirm: called with how many stored rows the repairs would change; raises to stop. engine: who works on chunks.
    """
    started = time.monotonic()
    with Pool(job.settings, job.name) as pool:
        with pool.session() as session:
            tables = Tables(session, inspected(session, job, request))
            with watcher.comparing() as compared:
                counted_later = job.priceable if request.policy.fills and not request.dry_run else None
                comparison = KeyComparison(request.deep, compared, estimable=counted_later)
                before = survey(tables, job.models, request.window, comparison, pool)
            asked = planned_changes(job, tables.layout, before, request, watcher, engine)
            rates = job.reference.terms(before.dates.get_column("settlement_date").to_list())
            planned = plan(before.dates, rates, request.order, request.policy.repairs, asked.per_date)
            asked = asked.possible(planned)
            refused = changes.dangers(tables) if asked.removed else ()
            if request.dry_run or (all(it.blocked for it in planned) and not asked.undated):
                results, seconds = tuple(it.result for it in planned), time.monotonic() - started
                report = FixReport(job.command, None, results, before, seconds, request.dry_run, undated=asked.undated)
                return replace(report, changes=asked.listed, refused=refused)
            begin(tables, job, request, planned, allowed(asked, before.stored, refused, request.limit, confirm))
        results, after = Run(pool, job, tables.layout, request, watcher, engine).execute(planned, before)
        after = exact(after, pool, tables.layout)
        report = FixReport(job.command, job.run_id, results, after, time.monotonic() - started)
        return _without_undated(report, pool, job, tables.layout, watcher) if asked.undated else report


def inspected(session: Session, job: Job, request: FixRequest) -> Layout:
    """The layout, with the privileges that a run needs."""
    if request.dry_run:
        return inspect(session, job.settings)
    policy = request.policy
    changing = {"removing": policy.removes_rows, "updating": policy.updates_rows}
    return inspect(session, job.settings, writing=True, models=job.models, **changing)


def _without_undated(report: FixReport, pool: Pool, job: Job, layout: Layout, watcher: Watcher) -> FixReport:
    """The report once the rows without a settlement date are removed, or why they are still there."""

    def attempt(_: int) -> int:
        with pool.session() as session:
            return undated.remove(Tables(session, layout), job.run_id, report.after.window)

    started = time.monotonic()
    try:
        removed = retried(attempt, [], watcher.retrying)
    except (DatabaseError, IncompleteError) as error:
        if isinstance(error, DatabaseError) and ends_run(error):
            raise
        return replace(report, undated_error=str(error))
    seconds = report.seconds + time.monotonic() - started
    return replace(report, after=_none_left(report.after), seconds=seconds, undated=removed)


def _none_left(status: Status) -> Status:
    return replace(status, undated=replace(status.undated, stored=0))
