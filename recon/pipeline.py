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

from recon import __version__, changes, gaps, ledger, undated, values, whole_rows
from recon.audit import Tolerance
from recon.config import ChangeLimit, Settings
from recon.database import Pool, Session, connect, pause
from recon.engine import Engine, Retrying, Work, threads
from recon.errors import (
    ConnectError,
    DatabaseError,
    IncompleteError,
    Interrupted,
    LedgerError,
    ReconError,
    SchemaError,
    UsageError,
)
from recon.load import MAX_CHUNK_ROWS, Filled, Job, fill
from recon.parameters import Mending, Pace, check_tables, from_dict, to_dict
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
            layout = _inspected(session, settings, reference, None if dry_run else mending)
            with watcher.comparing() as compared:
                before = survey(
                    session, settings, layout, reference.models, window, deep=deep, compared=compared, pool=pool
                )
            found, listed = _changes(
                settings, reference, layout, before, mending, name, pace.workers, watcher, dry_run, engine
            )
            terms = reference.terms(before.dates.get_column("settlement_date").to_list())
            per_date = dict(found.select("settlement_date", "rows").iter_rows())
            planned = plan(before, terms, pace.order, mending.repairs, per_date)
            possible = _possible(found, planned)
            astray = before.undated.stored if "orphan" in mending.repairs else 0
            possible = pl.concat([possible, _undated(astray)])
            refused = changes.dangers(session, layout) if possible.get_column("removed").sum() else ()
            if dry_run or (all(date.blocked for date in planned) and not astray):
                results = tuple(date.result for date in planned)
                seconds = time.monotonic() - started
                shown = None if listed is None else _possible(listed, planned)
                asked = FixReport(command, None, results, before, seconds, dry_run, undated=astray)
                return replace(asked, changes=shown, refused=refused)
            most = _allowed(possible, before.stored, refused, mending.limit, confirm)
            ledger.ensure(session)
            parameters = to_dict(settings, reference, pace, window, mending, whole_rows.relations(session, layout))
            days = [date.day for date in planned]
            ends = (min(days, default=window.first), max(days, default=window.last))
            ledger.store_plan(session, run_id, command, __version__, ends, parameters, planned, most)
        job = Job(run_id, settings, reference, command, mending)
        results, after = _Run(pool, job, layout, pace, watcher, engine).execute(planned, before)
        removed, after, error = _without_undated(pool, job, layout, watcher, after) if astray else (0, after, None)
    seconds = time.monotonic() - started
    return FixReport(command, run_id, results, after, seconds, undated=removed, undated_error=error)


def _undated(rows: int) -> pl.DataFrame:
    """values.DOOMED_DATES of rows without a date, which are orphans."""
    return pl.DataFrame([(None, rows, rows)] if rows else [], schema=values.DOOMED_DATES, orient="row")


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


def _inspected(session: Session, settings: Settings, reference: Reference, mending: Mending | None) -> Layout:
    """The layout, with the privileges that a run needs; None: one that only looks."""
    if mending is None:
        return inspect(session, settings)
    repairs = {"removing": mending.removes_rows, "updating": mending.updates_rows}
    return inspect(session, settings, writing=True, models=reference.models, **repairs)


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
) -> tuple[pl.DataFrame, pl.DataFrame | None]:
    """How many stored rows of each date the repairs would replace or remove (values.DOOMED_DATES); `listed`: and which
    (values.DOOMED).
    """
    if not mending.changes_rows:
        return pl.DataFrame(schema=values.DOOMED_DATES), None
    with watcher.comparing() as compared:
        options = vars(ValueCheck(mending.tolerance, workers, compared, engine)) | {"listed": listed}
        found = values.doomed(settings, reference, layout, before, mending.repairs, name=name, **options)
    return (values.counted(found.lazy()).collect(), found) if listed else (found, None)


def _possible(rows: pl.DataFrame, planned: Sequence[PlannedDate]) -> pl.DataFrame:
    """The rows of dates that are not blocked."""
    blocked_days = [date.day for date in planned if date.blocked]
    return rows.filter(~pl.col("settlement_date").is_in(blocked_days))


def _allowed(
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
            layout = _inspected(session, settings, reference, mending)
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
            results, after = _Run(pool, job, layout, pace, watcher, engine).execute(planned, after)
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
    """What `_allowed` asks when a run begins, asked of what is left of it. LedgerError for dates beyond its window."""
    days, (first, last) = [date.day for date in planned], now.window.bounds
    if not all(first <= day <= last for day in days):
        raise LedgerError(f"run {job.run_id} has dates that are not in its window", "start anew with 'recon fix'")
    part = replace(now, counts=now.counts.filter(pl.col("settlement_date").is_in(days)))
    name, mending = job.application_name, job.mending
    found, _ = _changes(job.settings, job.reference, layout, part, mending, name, pace.workers, watcher, False, engine)
    found = _possible(found, planned)
    changed, most = ledger.changes(session, job.run_id)
    refused = changes.dangers(session, layout) if found.get_column("removed").sum() else ()
    usual = limit or ChangeLimit()
    if limit is None and most is not None:
        usual = ChangeLimit(min(most, usual.most(now.stored)), None)
    ledger.limit_changes(session, job.run_id, _allowed(found, now.stored, refused, usual, confirm, changed))


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
