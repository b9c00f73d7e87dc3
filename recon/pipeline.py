"""The main job: survey, plan, and fill chunk by chunk, each verified before it is committed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import polars as pl

from recon import __version__, gaps, ledger, values
from recon.audit import Tolerance
from recon.config import Settings
from recon.database import Pool, connect, pause
from recon.engine import Engine, Retrying, Work, threads
from recon.errors import ConnectError, DatabaseError, Interrupted, ReconError, UsageError
from recon.load import MAX_CHUNK_ROWS, Filled, Job, fill
from recon.parameters import Mending, Pace, from_dict, to_dict
from recon.partitions import chunks, halves
from recon.planning import PlannedDate, blocked, plan
from recon.reference import Reference
from recon.report import DateResult, FixReport, Status
from recon.server_errors import ends_run, is_transient, keeps_out
from recon.survey import survey
from recon.tables import Layout, inspect
from recon.window import Window

if TYPE_CHECKING:
    import tenacity

ATTEMPTS = 4
NOTHING_VERIFIED = pl.DataFrame(schema=gaps.COUNTS)
T = TypeVar("T")
RECONNECT_S = 60
"""How long a lost server is waited for: recovery after a crash takes longer than most retries."""


class Watcher:
    """Told how a run goes on, always from one thread; does nothing unless overridden."""

    def comparing(self) -> AbstractContextManager[values.Compared]:
        """Entered while keys or values are compared; what it gives is told the dates done."""
        return nullcontext(values.unwatched)

    def planned(self, run_id: str, dates: Sequence[PlannedDate]) -> None:
        """The plan is stored; work begins."""

    def finished(self, result: DateResult) -> None:
        """One date came to its end."""

    def wrote(self, day: date, rows: int) -> None:
        """Some rows of a date that is not finished yet."""

    def retrying(self, dates: Sequence[date], error: ReconError) -> None:
        """Some dates are tried again (this one call comes from a worker's thread)."""


def status(
    settings: Settings,
    reference: Reference,
    window: Window,
    *,
    name: str,
    deep: bool = False,
    check: ValueCheck | None = None,
    compared: values.Compared = values.unwatched,
) -> Status:
    """How far the tables agree in a window, exactly and read-only, as of one moment; `check` adds the values."""
    with Pool(settings, name) as pool, pool.session() as session:
        layout = inspect(session, settings)
        found = survey(session, settings, layout, reference.models, window, deep=deep, compared=compared, pool=pool)
    return with_values(settings, reference, layout, found, check, name=name) if check else found


@dataclass(frozen=True)
class ValueCheck:
    """How stored values are checked: when they agree, on how many connections, who hears of the dates done, and who
    does it.
    """

    tolerance: Tolerance = field(default_factory=Tolerance)
    workers: int = 2
    progress: values.Compared = values.unwatched
    engine: Engine = threads


def with_values(
    settings: Settings, reference: Reference, layout: Layout, found: Status, check: ValueCheck, *, name: str
) -> Status:
    """The status with the verdict on every stored value."""
    judged = values.check(settings, reference, layout, found, name=name, **vars(check))
    return replace(found, values=judged)


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
            removing = mending.changes_rows and not dry_run
            layout = inspect(session, settings, writing=not dry_run, removing=removing, models=reference.models)
            with watcher.comparing() as compared:
                before = survey(
                    session, settings, layout, reference.models, window, deep=deep, compared=compared, pool=pool
                )
            changes, listed = _changes(
                settings, reference, layout, before, mending, name, pace.workers, watcher, dry_run, engine
            )
            terms = reference.terms(before.dates.get_column("settlement_date").to_list())
            planned = plan(before, terms, pace.order, mending.repairs, changes)
            if dry_run or all(date.blocked for date in planned):
                results = tuple(date.result for date in planned)
                seconds, listed = time.monotonic() - started, _possible(listed, planned)
                return FixReport(command, None, results, before, seconds, dry_run, changes=listed)
            _allow(sum(date.changes for date in planned if not date.blocked), before, mending, confirm)
            ledger.ensure(session)
            parameters = to_dict(settings, reference, pace, window, mending)
            days = [date.day for date in planned]
            ledger.store_plan(session, run_id, command, __version__, (min(days), max(days)), parameters, planned)
        job = Job(run_id, settings, reference, command, mending)
        results, after = _Run(pool, job, layout, pace, watcher, engine).execute(planned, before)
    return FixReport(command, run_id, results, after, time.monotonic() - started)


def _changes(
    settings: Settings,
    reference: Reference,
    layout: Layout,
    before: Status,
    mending: Mending,
    name: str,
    workers: int,
    watcher: Watcher,
    listed: bool,
    engine: Engine,
) -> tuple[dict[date, int], pl.DataFrame | None]:
    """How many stored rows of each date the repairs would replace or remove; `listed`: and which (values.DOOMED)."""
    if not mending.changes_rows:
        return {}, None
    with watcher.comparing() as compared:
        options = vars(ValueCheck(mending.tolerance, workers, compared, engine)) | {"listed": listed}
        found = values.doomed(settings, reference, layout, before, mending.repairs, name=name, **options)
    counted = found.group_by("settlement_date").len() if listed else found
    return dict(counted.iter_rows()), found if listed else None


def _possible(changes: pl.DataFrame | None, planned: Sequence[PlannedDate]) -> pl.DataFrame | None:
    """The changes of dates that are not blocked."""
    blocked_days = [date.day for date in planned if date.blocked]
    return None if changes is None else changes.filter(~pl.col("settlement_date").is_in(blocked_days))


def _allow(changes: int, before: Status, mending: Mending, confirm: Callable[[int], None]) -> None:
    """Stops a run that would rewrite a table, or that nobody has agreed to."""
    if not changes:
        return
    if not mending.limit.allows(changes, before.stored):
        raise UsageError(
            f"{changes:,} of {before.stored:,} stored rows would change, more than --max-changes {mending.limit}",
            f"look at them with --dry-run, then allow them with --max-changes {changes}",
            code="max_changes",
        )
    confirm(changes)


def resume(
    settings: Settings, reference: Reference, run_id: str | None, *, watcher: Watcher, engine: Engine = threads
) -> FixReport | None:
    """Goes on with the stored plan of a run (the newest unfinished one): its unfinished dates, in its order, with
    its parameters. None when nothing is unfinished. A date that was finished meanwhile is found so and skipped.
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
            removing = mending.changes_rows
            layout = inspect(session, settings, writing=True, removing=removing, models=reference.models)
            left = ledger.unfinished(session, run_id)
            planned = blocked(left, reference.terms([date.day for date in left]))
            if not left and run["status"] in ledger.OPEN:
                ledger.finish(session, run_id)
            with watcher.comparing() as compared:
                after = survey(session, settings, layout, reference.models, window, compared=compared, pool=pool)
        results: tuple[DateResult, ...] = ()
        if left:
            results, after = _Run(pool, job, layout, pace, watcher, engine).execute(planned, after)
    return FixReport("resume", run_id, results, after, time.monotonic() - started)


def history(settings: Settings, run_id: str | None, *, name: str) -> tuple[list[dict[str, Any]], list[DateResult]]:
    """All runs, newest first; or the one named, with its dates. LedgerError when it is not there."""
    with connect(settings, name) as session:
        if run_id is None:
            return ledger.runs(session), []
        return [ledger.find(session, run_id)], ledger.dates(session, run_id)


@dataclass(frozen=True)
class _Run:
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
        except BaseException as error:
            stopped = isinstance(error, (Interrupted, KeyboardInterrupt))
            settings, name = self.job.settings, self.job.application_name
            with suppress(DatabaseError), connect(settings, name, last_words=True) as session:
                ledger.finish(session, self.job.run_id, "interrupted" if stopped else "failed")
            raise
        return tuple(results.values()), after

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
    privilege, a table that has gone, a full disk.
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
