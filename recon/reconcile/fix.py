"""The main job: survey, plan, and fill chunk by chunk, each verified before it is committed."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import polars as pl

from recon.core.errors import DatabaseError, IncompleteError, SchemaError, UsageError
from recon.core.plan import PlannedDate, plan
from recon.core.settings import ChangeLimit, Settings
from recon.core.version import __version__
from recon.core.window import Window
from recon.postgres import ledger, whole_rows
from recon.postgres.errors import ends_run
from recon.postgres.inspect import inspect
from recon.postgres.layout import Layout
from recon.postgres.pool import Pool
from recon.postgres.session import Session
from recon.reconcile import undated, value_check
from recon.reconcile.engine import Engine, threads
from recon.reconcile.report import FixReport
from recon.reconcile.request import Job, Pace, to_dict
from recon.reconcile.run import Run, retried
from recon.reconcile.status import Status
from recon.reconcile.survey import survey
from recon.reconcile.value_check import changes_of
from recon.reconcile.watcher import Watcher
from recon.reference.reference import Reference
from recon.values import changes
from recon.values.policy import Mending


def fix(
    settings: Settings,
    reference: Reference,
    window: Window,
    pace: Pace,
    *,
    command: str,
    run_id: str,
    watcher: Watcher,
    dry_run: bool = False,
    deep: bool = False,
    mending: Mending | None = None,
    confirm: Callable[[int], None] = lambda _: None,
    engine: Engine = threads,
) -> FixReport:
    """Fills every gap of the window: plan, chunks, and the status after as each chunk verified it.

    mending: which repairs besides; `confirm` is told how many stored rows they would change, and raises to stop.
    engine: who works on the chunks.
    """
    mending = mending or Mending()
    started = time.monotonic()
    name = f"recon/{command}/{run_id}"
    with Pool(settings, name) as pool:
        with pool.session() as session:
            layout = inspected(session, settings, reference, None if dry_run else mending)
            with watcher.comparing() as compared:
                before = survey(
                    session, settings, layout, reference.models, window, deep=deep, compared=compared, pool=pool
                )
            found, listed = changes_of(
                settings, reference, layout, before, mending, name, pace.workers, watcher, dry_run, engine
            )
            terms = reference.terms(before.dates.get_column("settlement_date").to_list())
            per_date = dict(found.select("settlement_date", "rows").iter_rows())
            planned = plan(before.dates, terms, pace.order, mending.repairs, per_date)
            possible = possible_of(found, planned)
            astray = before.undated.stored if "orphan" in mending.repairs else 0
            possible = pl.concat([possible, _undated(astray)])
            refused = changes.dangers(session, layout) if possible.get_column("removed").sum() else ()
            if dry_run or (all(date.blocked for date in planned) and not astray):
                results = tuple(date.result for date in planned)
                seconds = time.monotonic() - started
                shown = None if listed is None else possible_of(listed, planned)
                asked = FixReport(command, None, results, before, seconds, dry_run, undated=astray)
                return replace(asked, changes=shown, refused=refused)
            most = allowed(possible, before.stored, refused, mending.limit, confirm)
            ledger.ensure(session)
            parameters = to_dict(settings, reference, pace, window, mending, whole_rows.relations(session, layout))
            days = [date.day for date in planned]
            ends = (min(days, default=window.first), max(days, default=window.last))
            ledger.store_plan(session, run_id, command, __version__, ends, parameters, planned, most)
        job = Job(run_id, settings, reference, command, mending)
        results, after = Run(pool, job, layout, pace, watcher, engine).execute(planned, before)
        removed, after, error = _without_undated(pool, job, layout, watcher, after) if astray else (0, after, None)
    seconds = time.monotonic() - started
    return FixReport(command, run_id, results, after, seconds, undated=removed, undated_error=error)


def _undated(rows: int) -> pl.DataFrame:
    """values.DOOMED_DATES of rows without a date, which are orphans."""
    return pl.DataFrame([(None, rows, rows)] if rows else [], schema=value_check.DOOMED_DATES, orient="row")


def _without_undated(
    pool: Pool, job: Job, layout: Layout, watcher: Watcher, found: Status
) -> tuple[int, Status, str | None]:
    """Removes the rows without a date: how many, the status as it is then, and why they are still there."""

    def attempt(_: int) -> int:
        with pool.session() as session:
            return undated.remove(session, layout, job.run_id, found.window)

    try:
        removed = retried(attempt, [], watcher.retrying)
    except (DatabaseError, IncompleteError) as error:
        if isinstance(error, DatabaseError) and ends_run(error):
            raise
        return 0, found, str(error)
    return removed, replace(found, undated=replace(found.undated, stored=0)), None


def inspected(session: Session, settings: Settings, reference: Reference, mending: Mending | None) -> Layout:
    """The layout, with the privileges that a run needs; None: one that only looks."""
    if mending is None:
        return inspect(session, settings)
    repairs = {"removing": mending.removes_rows, "updating": mending.updates_rows}
    return inspect(session, settings, writing=True, models=reference.models, **repairs)


def possible_of(rows: pl.DataFrame, planned: Sequence[PlannedDate]) -> pl.DataFrame:
    """The rows of dates that are not blocked."""
    blocked_days = [date.day for date in planned if date.blocked]
    return rows.filter(~pl.col("settlement_date").is_in(blocked_days))


def allowed(
    found: pl.DataFrame,
    stored: int,
    refused: Sequence[str],
    limit: ChangeLimit,
    confirm: Callable[[int], None],
    changed: int = 0,
) -> int:
    """How many stored rows a run may change in all; where nothing is to be changed, and so nobody is asked, none.

    Stops a run that would rewrite a table, that would make others lose something, or that nobody has agreed to. found:
    values.DOOMED_DATES of what is to be done; changed: the rows that the run has changed before.
    """
    rows, removed = int(found.get_column("rows").sum()), int(found.get_column("removed").sum())
    if not rows:
        return changed
    if removed and refused:
        raise SchemaError(*changes.refusal(refused, removed), code="referenced")
    if not limit.allows(changed + rows, stored):
        raise UsageError(
            f"{changed + rows:,} of {stored:,} stored rows would change, more than --max-changes {limit}",
            f"look at them with --dry-run, then allow them with --max-changes {changed + rows}",
            code="max_changes",
        )
    confirm(rows)
    return limit.most(stored)
