"""Work on planned dates: chunks with second chances, and the end of a run in the ledger."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import partial

import polars as pl

from recon.core.chunks import CHUNK_ROWS, even_chunks, halves, halving
from recon.core.errors import DatabaseError, IncompleteError, ReconError
from recon.core.plan import DateResult, PlannedDate
from recon.postgres import ledger
from recon.postgres.errors import ends_run
from recon.postgres.layout import Layout
from recon.postgres.pool import Pool
from recon.postgres.tables import Tables
from recon.postgres.whole_rows import relations
from recon.reconcile.cell_survey import CellSurvey
from recon.reconcile.chunk import NOTHING_VERIFIED, Filled, fill
from recon.reconcile.engine import Engine, Retrying, Work
from recon.reconcile.request import FixRequest, Job
from recon.reconcile.retries import retried
from recon.reconcile.status import Status
from recon.reconcile.watcher import Watcher

ALREADY_THERE = "23505"
"""SQLSTATE of a row that a unique index has already."""


def begin(
    tables: Tables, job: Job, request: FixRequest, planned: Sequence[PlannedDate], max_changes: int | None = None
) -> None:
    """Stores a run and its plan in the ledger, which is made where there is none."""
    ledger.ensure(tables.session)
    days = [it.day for it in planned]
    ends = (min(days, default=request.window.first), max(days, default=request.window.last))
    parameters = request.to_dict(job, relations(tables))
    run = ledger.NewRun(job.run_id, job.command, ends, parameters, max_changes)
    ledger.store_plan(tables.session, run, planned)


@dataclass(frozen=True)
class Run:
    """Work on planned dates: by whom, how fast, and who hears of it. known: what the plan was made from."""

    pool: Pool
    job: Job
    layout: Layout
    request: FixRequest
    watcher: Watcher
    engine: Engine
    known: CellSurvey | None = None

    def execute(self, planned: Sequence[PlannedDate], before: Status) -> tuple[tuple[DateResult, ...], Status]:
        """Works on the planned dates and closes the run in the ledger, whatever happens.

        The results, one per planned date, and the status `before` with every date that was finished as it was verified.
        """
        self.watcher.planned(self.job.run_id, planned)
        results = {it.day: it.result for it in planned}
        after = before
        with ledger.closing(self.job.settings, self.job.name, self.job.run_id):
            try:
                left, known = list(planned), self.known
                while left:
                    verified, counts = [], [NOTHING_VERIFIED]
                    for filled in self._filled(left, known):
                        for result in filled.results:
                            results[result.day] = result
                            self.watcher.finished(result)
                        verified += [result.day for result in filled.results if result.status in ledger.FINISHED]
                        counts.append(filled.counts)
                    after = after.with_counts(verified, pl.concat(counts))
                    left, known = self._settle(results), None  # a server that crashed gives xids out again
            except IncompleteError as error:
                if error.code != "max_changes":
                    raise
                return self._stopped(results, error), after
        return tuple(results.values()), after

    def _stopped(self, results: dict[date, DateResult], why: ReconError) -> tuple[DateResult, ...]:
        """What the ledger has of the dates, those that were under way included, where no more rows may change: the
        others stay pending.
        """
        with self.pool.session() as session:
            ledger.finish(session, self.job.run_id)
            known = {result.day: result for result in ledger.dates(session, self.job.run_id)}
        found = [known.get(day, result) for day, result in results.items()]
        return tuple(replace(r, error=str(why)) if r.status == "pending" else r for r in found)

    def _filled(self, planned: Sequence[PlannedDate], known: CellSurvey | None) -> Iterator[Filled]:
        """What all dates came to, as their chunks finish; those that are blocked come first."""
        yield Filled([it.result for it in planned if it.blocked], NOTHING_VERIFIED)
        whole = self.request.policy.changes_rows
        open_dates = [(it.day, it.rows(whole=whole)) for it in planned if not it.blocked]
        workers, most = self.request.about_workers, self.request.batch_dates
        batches = even_chunks(open_dates, max_dates=most, max_rows=CHUNK_ROWS, workers=workers)
        task = partial(work, self.layout, self.job, self.request, known)
        for _, filled in self.engine(Work(task, batches, self.pool, self.request.workers, self.watcher.retrying)):
            yield from filled

    def _settle(self, results: dict[date, DateResult]) -> list[PlannedDate]:
        """Closes the run, unless the server crashed and took back chunks it had committed: their dates are returned."""
        done = {result.day for result in results.values() if result.status in ledger.FINISHED}

        def close(_: int) -> list[PlannedDate]:
            with self.pool.session() as session:
                taken_back = [it for it in ledger.unfinished(session, self.job.run_id) if it.day in done]
                if not taken_back:
                    ledger.finish(session, self.job.run_id)
                return taken_back

        return retried(close, list(results), self.watcher.retrying)


def work(
    layout: Layout,
    job: Job,
    request: FixRequest,
    known: CellSurvey | None,
    pool: Pool,
    dates: Sequence[date],
    retrying: Retrying,
) -> list[Filled]:
    """One chunk with all its second chances. A chunk that times out is halved, one that fails is done date by
    date, and a date that still fails is recorded as failed. What no date can escape ends the run: no server, no
    privilege, a table that has gone. known: what was there when the plan was made.
    """

    def chunk(some: Sequence[date]) -> Filled:
        attempts = 0

        def filled(before: CellSurvey | None) -> Filled:
            with pool.session() as session:
                return fill(Tables(session, layout), job, request, some, attempts, before)

        def attempt(number: int) -> Filled:
            nonlocal attempts
            attempts = number
            return _as_found(filled, known.of_chunk(some) if known and number == 1 else None)

        try:
            return retried(attempt, some, retrying, layout.key_columns)
        except DatabaseError as error:
            if ends_run(error) or len(some) > 1:
                raise
            return _noted(job, pool, DateResult(some[0], "failed", 0, attempts=attempts, error=str(error)))

    return list(halving(chunk, dates, _smaller, retrying))


def _smaller(some: Sequence[date], error: DatabaseError) -> Sequence[Sequence[date]]:
    if ends_run(error):
        return ()
    return halves(some) if error.code == "timeout" else [[day] for day in some]


def _noted(job: Job, pool: Pool, failed: DateResult) -> Filled:
    """A date that failed, as the ledger has it now."""
    with pool.session() as session:
        return Filled(ledger.note_failures(session, job.run_id, [failed]), NOTHING_VERIFIED)


def _as_found(filled: Callable[[CellSurvey | None], Filled], before: CellSurvey | None) -> Filled:
    """A chunk filled as the plan found it. Where that is so no longer, it looks for itself."""
    try:
        return filled(before)
    except DatabaseError as error:
        if before is None or (error.code != "changed" and error.sqlstate != ALREADY_THERE):
            raise
    return filled(None)
