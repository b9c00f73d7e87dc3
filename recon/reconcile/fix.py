"""The main job: survey, plan, agree, store, then chunk by chunk, each verified before it is committed."""

from __future__ import annotations

import time
from dataclasses import replace

from recon.core.errors import DatabaseError, IncompleteError
from recon.core.plan import plan
from recon.postgres.errors import ends_run
from recon.postgres.tables import Tables
from recon.reconcile import undated
from recon.reconcile.engine import THREADS, Engine, works_here
from recon.reconcile.planned_changes import Confirm, agreed, allowed, planned_changes
from recon.reconcile.report import FixReport
from recon.reconcile.request import FixRequest, Job
from recon.reconcile.retries import retried
from recon.reconcile.run import Run, begin
from recon.reconcile.survey import KeyComparison, exact, surveyed
from recon.reconcile.watcher import Compared, Watcher


def fix(
    job: Job, request: FixRequest, *, watcher: Watcher, engine: Engine = THREADS, confirm: Confirm = agreed
) -> FixReport:
    """Fill every gap of the window: plan, chunks, and the status after as each chunk verified it.

    confirm: called with how many stored rows the repairs would change; raises to stop. engine: who works on chunks.
    """
    started = time.monotonic()
    with job.pool() as pool:
        with job.tables(pool, request) as tables:
            with watcher.comparing() as compared:
                found = surveyed(tables, job, request.window, _comparison(job, request, compared, engine), pool)
            before = found.status
            asked = planned_changes(job, tables, before, request, watcher, engine)
            rates = job.reference.terms(before.dates.get_column("settlement_date").to_list())
            planned = plan(before.dates, rates, request.order, request.policy.repairs, asked.per_date)
            asked = asked.possible(planned)
            refused = asked.dangers(tables)
            if request.dry_run or (all(it.blocked for it in planned) and not asked.undated):
                results, seconds = tuple(it.result for it in planned), time.monotonic() - started
                report = FixReport(job.command, None, results, before, seconds, request, undated=asked.undated)
                return replace(report, changes=asked.listed, refused=refused)
            begin(tables, job, request, planned, allowed(asked, before.stored, refused, request.limit, confirm))
        run = Run(pool, job, tables.layout, request, watcher, engine, found.by_cell)
        results, after = run.execute(planned, before)
        after = exact(after, pool, tables)
        report = FixReport(job.command, job.run_id, results, after, time.monotonic() - started, request)
        return _without_undated(report, run) if asked.undated else report


def _comparison(job: Job, request: FixRequest, compared: Compared, engine: Engine) -> KeyComparison:
    """How exactly the plan has to know what is missing. What chunks count again need not be exact; and where these are
    at work in this process, they can go on with what was found cell by cell.
    """
    fills, policy = request.policy.fills and not request.dry_run, request.policy
    by_cell = fills and works_here(engine) and not (request.deep or policy.changes_rows)
    estimable = job.priceable if fills else None
    return KeyComparison(request.deep, compared, estimable=estimable, by_cell=by_cell, workers=request.workers)


def _without_undated(report: FixReport, run: Run) -> FixReport:
    """The report once the rows without a settlement date are removed, or why they are still there."""

    def attempt(_: int) -> int:
        with run.pool.session() as session:
            return undated.remove(Tables(session, run.layout), run.job.run_id, report.after.window)

    started = time.monotonic()
    try:
        removed = retried(attempt, [], run.watcher.retrying)
    except (DatabaseError, IncompleteError) as error:
        if isinstance(error, DatabaseError) and ends_run(error):
            raise
        return replace(report, undated_error=str(error))
    seconds = report.seconds + time.monotonic() - started
    after = replace(report.after, undated=replace(report.after.undated, stored=0))
    return replace(report, after=after, seconds=seconds, undated=removed)
