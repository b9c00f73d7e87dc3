"""Work on planned dates: chunks with second chances, and the end of a run in the ledger."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import polars as pl

from recon.core import schema
from recon.core.chunks import chunks, halves
from recon.core.errors import ConnectError, DatabaseError, IncompleteError, Interrupted, ReconError
from recon.core.plan import DateResult, PlannedDate
from recon.postgres import ledger
from recon.postgres.errors import ends_run, is_transient, keeps_out
from recon.postgres.layout import Layout
from recon.postgres.pool import Pool
from recon.postgres.session import connect
from recon.postgres.stopping import pause
from recon.reconcile.chunk import MAX_CHUNK_ROWS, Filled, fill
from recon.reconcile.engine import Engine, Retrying, Work
from recon.reconcile.request import Job, Pace
from recon.reconcile.status import Status
from recon.reconcile.watcher import Watcher

if TYPE_CHECKING:
    import tenacity


ATTEMPTS = 4
NOTHING_VERIFIED = pl.DataFrame(schema=schema.COUNTS)
T = TypeVar("T")
RECONNECT_S = 60
"""How long a lost server is waited for: recovery after a crash takes longer than most retries."""


@dataclass(frozen=True)
class Run:
    """Work on planned dates: by whom, how fast, and who hears of it."""

    pool: Pool
    job: Job
    layout: Layout
    pace: Pace
    watcher: Watcher
    engine: Engine

    def execute(self, planned: Sequence[PlannedDate], before: Status) -> tuple[tuple[DateResult, ...], Status]:
        """Works on the planned dates and closes the run in the ledger, whatever happens.

        The results, one per planned date, and the status `before` with every date that was finished as it was verified.
        """
        self.watcher.planned(self.job.run_id, planned)
        results = {date.day: date.result for date in planned}
        after = before
        try:
            left = list(planned)
            while left:
                verified, counts = [], [NOTHING_VERIFIED]
                for filled in self._filled(left):
                    for result in filled.results:
                        results[result.day] = result
                        self.watcher.finished(result)
                    verified += [result.day for result in filled.results if result.status in ledger.FINISHED]
                    counts.append(filled.counts)
                after = after.with_counts(verified, pl.concat(counts))
                left = self._settle(results)
        except IncompleteError as error:
            if error.code != "max_changes":
                self._close("failed")
                raise
            return self._stopped(results, error), after
        except BaseException as error:
            self._close("interrupted" if isinstance(error, (Interrupted, KeyboardInterrupt)) else "failed")
            raise
        return tuple(results.values()), after

    def _close(self, status: str | None) -> None:
        """The last words of a run that could not end by itself."""
        settings, name = self.job.settings, self.job.application_name
        with suppress(DatabaseError), connect(settings, name, last_words=True) as session:
            ledger.finish(session, self.job.run_id, status)

    def _stopped(self, results: dict[date, DateResult], why: ReconError) -> tuple[DateResult, ...]:
        """What the ledger has of the dates, those that were under way included, where no more rows may change: the
        others stay pending.
        """
        with self.pool.session() as session:
            ledger.finish(session, self.job.run_id)
            known = {result.day: result for result in ledger.dates(session, self.job.run_id)}
        found = [known.get(day, result) for day, result in results.items()]
        return tuple(replace(r, error=str(why)) if r.status == "pending" else r for r in found)

    def _filled(self, planned: Sequence[PlannedDate]) -> Iterator[Filled]:
        """What all dates came to, as their chunks finish; those that are blocked come first."""
        yield Filled([date.result for date in planned if date.blocked], NOTHING_VERIFIED)
        open_dates = ((date.day, date.expected) for date in planned if not date.blocked)
        batches = list(chunks(open_dates, max_dates=self.pace.batch_dates, max_rows=MAX_CHUNK_ROWS))
        task = partial(work, self.layout, self.job)
        for _, filled in self.engine(Work(task, batches, self.pool, self.pace.workers, self.watcher.retrying)):
            yield from filled

    def _settle(self, results: dict[date, DateResult]) -> list[PlannedDate]:
        """Closes the run, unless the server crashed and took back chunks it had committed: their dates are returned."""
        done = {result.day for result in results.values() if result.status in ledger.FINISHED}

        def close(_: int) -> list[PlannedDate]:
            with self.pool.session() as session:
                taken_back = [date for date in ledger.unfinished(session, self.job.run_id) if date.day in done]
                if not taken_back:
                    ledger.finish(session, self.job.run_id)
                return taken_back

        return retried(close, list(results), self.watcher.retrying)


def work(layout: Layout, job: Job, pool: Pool, dates: Sequence[date], retrying: Retrying) -> list[Filled]:
    """One chunk with all its second chances. A chunk that times out is halved, one that fails is done date by
    date, and a date that still fails is recorded as failed. What no date can escape ends the run: no server, no
    privilege, a table that has gone.
    """

    attempts = 0

    def attempt(number: int) -> list[Filled]:
        nonlocal attempts
        attempts = number
        with pool.session() as session:
            return [fill(session, layout, job, dates, number)]

    try:
        return retried(attempt, dates, retrying, layout)
    except DatabaseError as error:
        if ends_run(error):
            raise
        if len(dates) == 1:
            failed = DateResult(dates[0], "failed", 0, attempts=attempts, error=str(error))
            with pool.session() as session:
                return [Filled(ledger.note_failures(session, job.run_id, [failed]), NOTHING_VERIFIED)]
        retrying(dates, error)
        parts = halves(dates) if error.code == "timeout" else [[day] for day in dates]
    return [filled for part in parts for filled in work(layout, job, pool, part, retrying)]


def retried(
    operation: Callable[[int], T], dates: Sequence[date], retrying: Retrying, layout: Layout | None = None
) -> T:
    """What the operation returns; it gets the number of the attempt, and is repeated for errors that can pass.

    Exponential backoff with jitter, ATTEMPTS times, but as long as RECONNECT_S while there is no server. Several
    dates that time out are not repeated: the caller halves them. layout: of the table that is written, by which a
    rival's row is told from one that an index of somebody else's keeps out.
    """

    def judged(number: int) -> T:
        try:
            return operation(number)
        except DatabaseError as error:
            raise (keeps_out(error, layout.key_columns) if layout else error) from None

    try:
        return judged(1)
    except ReconError as error:
        first = error
    import tenacity  # brings asyncio along: 35 ms that a run without a failure need not wait for

    def can_pass(error: BaseException) -> bool:
        halve_instead = isinstance(error, DatabaseError) and error.code == "timeout" and len(dates) > 1
        return is_transient(error) and not halve_instead

    def enough(state: tenacity.RetryCallState) -> bool:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, ConnectError):
            return (state.seconds_since_start or 0) > RECONNECT_S
        return state.attempt_number >= ATTEMPTS

    def say(state: tenacity.RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, ReconError):
            retrying(dates, error)

    retries = tenacity.Retrying(
        retry=tenacity.retry_if_exception(can_pass),
        stop=enough,
        wait=tenacity.wait_exponential(multiplier=0.2, max=5) + tenacity.wait_random(0, 0.5),
        sleep=pause,
        before_sleep=say,
        reraise=True,
    )
    for attempt in retries:
        with attempt:
            number = attempt.retry_state.attempt_number
            if number == 1:
                raise first
            return judged(number)
    raise AssertionError("tenacity either returns or raises")
