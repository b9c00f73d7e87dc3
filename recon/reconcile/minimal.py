"""The careful way: exactly one connection, a few keys per transaction, pauses; for dates that time out otherwise.

The same pricing and the same writing as `fix`: `chunk.fill_keys`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import date

import polars as pl

from recon.core import gaps
from recon.core.errors import DatabaseError, ExitCode, ReconError
from recon.core.plan import DateResult, PlannedDate, plan
from recon.core.schema import KEY
from recon.core.settings import Order, Settings
from recon.core.window import Window
from recon.postgres import ledger
from recon.postgres.errors import ends_run
from recon.postgres.layout import Layout
from recon.postgres.pool import Pool
from recon.postgres.scope import Scope
from recon.postgres.stopping import pause
from recon.postgres.tables import Tables
from recon.reconcile.chunk import fill_keys
from recon.reconcile.report import FixReport
from recon.reconcile.request import FixRequest, Job
from recon.reconcile.retries import retried
from recon.reconcile.run import begin
from recon.reconcile.status import Status
from recon.reconcile.survey import KeyComparison, survey
from recon.reconcile.watcher import Watcher

MAX_USES = 100
MAX_AGE_S = 600.0
STATEMENT_S = 10.0
LOCK_S = 5.0
FailedKey = tuple[date, int, str, str]
"""Settlement date, settlement period and farm of a key that could not be filled, and why."""
Look = Callable[[Tables], Status]
"""What is left of what the run is about."""


class NoCurtailment(ReconError):
    """A key that the source does not have; the hint names the nearest ones that it has."""

    exit_code = ExitCode.DIFFERENCES
    code = "no_curtailment"


@dataclass(frozen=True)
class Throttle:
    """Keys per transaction, and seconds of rest between transactions."""

    keys: int = 1
    pause_s: float = 0.0


def careful(settings: Settings) -> Settings:
    """The settings with short statement and lock timeouts, unless others were asked for."""
    given = settings.timeouts
    short = replace(given, statement_s=given.statement_s or STATEMENT_S, lock_s=given.lock_s or LOCK_S)
    return replace(settings, timeouts=short)


def fill_date(job: Job, day: date, throttle: Throttle, watcher: Watcher) -> FixReport:
    """Fills one date, `throttle.keys` keys at a time; a key that fails is reported and the others go on."""
    return _Run.of(job, throttle, watcher).of_date(day)


def fill_worst_date(job: Job, throttle: Throttle, watcher: Watcher) -> FixReport:
    """Fills the date with the most missing rows that can be priced."""
    return _Run.of(job, throttle, watcher).of_worst_date()


def fill_key(job: Job, key: tuple[date, int, str], watcher: Watcher) -> FixReport:
    """Fills one key (settlement date, settlement period, farm). NoCurtailment when the source does not have it."""
    return _Run.of(job, Throttle(), watcher).of_key(*key)


@dataclass(frozen=True)
class _Run:
    """A careful run. Its pool lends one connection, which is replaced every MAX_USES transactions and MAX_AGE_S."""

    job: Job
    throttle: Throttle
    watcher: Watcher
    pool: Pool
    started: float = field(default_factory=time.monotonic)

    @classmethod
    def of(cls, job: Job, throttle: Throttle, watcher: Watcher) -> _Run:
        job = replace(job, settings=careful(job.settings))
        return cls(job, throttle, watcher, job.pool(max_uses=MAX_USES, max_age_s=MAX_AGE_S))

    def of_date(self, day: date) -> FixReport:
        window = Window(day, day)
        with self._tables() as tables:
            before = self._first_look(tables, window)
            keys = self._missing_keys(tables, Scope.of([day]))
        return self._filled(tables.layout, before, keys, lambda then: survey(then, self.job, window))

    def of_worst_date(self) -> FixReport:
        with self._tables() as tables:
            status = self._first_look(tables, Window())
        days = status.incomplete.filter(pl.col("missing") > 0).get_column("settlement_date").to_list()
        priced = set(self.job.reference.terms(days).drop_nulls().get_column("settlement_date"))
        worst = next((day for day in days if day in priced), None)
        return self.of_date(worst) if worst else self._report(None, (), status)

    def of_key(self, day: date, period: int, farm: str) -> FixReport:
        key = pl.DataFrame([(day, period, farm)], schema=dict.fromkeys(KEY), orient="row").cast(
            {"settlement_period": pl.Int32}
        )

        def look(tables: Tables) -> Status:
            return self._survey_key(tables, key)

        with self._tables() as tables:
            before = look(tables)
            if not before.total("expected"):
                raise self._no_curtailment(tables, day, period, farm)
        return self._filled(tables.layout, before, key, look)

    def _tables(self) -> AbstractContextManager[Tables]:
        """Both tables, to be filled."""
        return self.job.tables(self.pool, FixRequest())

    def _first_look(self, tables: Tables, window: Window) -> Status:
        """The survey before there is a plan."""
        with self.watcher.comparing() as compared:
            return survey(tables, self.job, window, KeyComparison(compared=compared))

    def _missing_keys(self, tables: Tables, scope: Scope) -> pl.DataFrame:
        """KEYs of which any miner model is missing, in order."""
        keys, done = tables.keys(scope), tables.done(scope)
        wanted = gaps.expected(keys.lazy().select(KEY), self.job.reference.miners.lazy().select("miner_model"))
        return gaps.missing(wanted, done.lazy()).select(KEY).unique().sort(KEY).collect()

    def _survey_key(self, tables: Tables, key: pl.DataFrame) -> Status:
        """The status of one key."""
        day: date = key.item(0, "settlement_date")
        scope = Scope.of([day], key.get_column("settlement_period"))
        keys, done = (rows.join(key, on=KEY, how="semi") for rows in (tables.keys(scope), tables.done(scope)))
        source = keys.group_by("settlement_date").agg(
            source_rows=pl.len().cast(pl.Int64), invalid=pl.lit(0), keys=pl.len().cast(pl.Int64)
        )
        counts = gaps.count(keys.lazy(), gaps.named(self.job.models), done.lazy()).collect()
        return Status(Window(day, day), self.job.models, source, counts, blocked=self.job.blocked([day]))

    def _no_curtailment(self, tables: Tables, day: date, period: int, farm: str) -> NoCurtailment:
        near = tables.rows("values/nearest_keys", day, period, farm)
        keys = ", ".join(f"{k['settlement_date']} {k['settlement_period']} {k['farm_id']}" for k in near)
        return NoCurtailment(
            f"there is no curtailment of {farm} on {day} in settlement period {period}",
            f"the nearest keys are {keys}" if keys else "the source holds nothing near by",
        )

    def _filled(self, layout: Layout, before: Status, keys: pl.DataFrame, look: Look) -> FixReport:
        days = before.dates.get_column("settlement_date").to_list()
        planned = plan(before.dates, self.job.reference.terms(days), Order.NEWEST)
        if not planned or planned[0].blocked:
            return self._report(None, tuple(it.result for it in planned), before)
        with self.pool.session() as session:
            request = FixRequest(before.window, batch_dates=1, workers=1)
            begin(Tables(session, layout), self.job, request, planned)
            self.watcher.planned(self.job.run_id, planned)
        with ledger.closing(self.job.settings, self.job.name, self.job.run_id):
            try:
                result, failed = self._keys_filled(layout, planned[0], keys)
            except BaseException:
                self.pool.close()  # the run is closed on a connection of its own, and only one may be open
                raise
        with self.pool.session() as session:
            after = look(Tables(session, layout))
        self.pool.close()
        return self._report(self.job.run_id, (result,), after, failed)

    def _keys_filled(
        self, layout: Layout, planned: PlannedDate, keys: pl.DataFrame
    ) -> tuple[DateResult, tuple[FailedKey, ...]]:
        """Every key in turn, then the date's last line in the ledger."""
        failed: list[FailedKey] = []
        transactions = written = 0
        for batch in keys.iter_slices(self.throttle.keys):
            transactions += 1
            total = self._batch(layout, batch, failed)
            self.watcher.wrote(planned.day, max(0, total - written))
            written = max(total, written)
            pause(self.throttle.pause_s)
        what = f"{len(failed)} of {keys.height} keys failed"
        error = f"{what}, first {failed[0][1]} {failed[0][2]}: {failed[0][3]}" if failed else None
        last = DateResult(
            planned.day,
            "failed" if failed else "done",
            planned.missing,
            attempts=transactions,
            seconds=time.monotonic() - self.started,
            error=error,
        )
        with self.pool.session() as session:
            with session.transaction():
                (result,) = ledger.record(session, self.job.run_id, [last])
            ledger.finish(session, self.job.run_id)
        self.watcher.finished(result)
        return result, tuple(failed)

    def _batch(self, layout: Layout, batch: pl.DataFrame, failed: list[FailedKey]) -> int:
        """Fills some keys in one transaction; when that fails, one by one. The date's rows written so far."""
        day: date = batch.item(0, "settlement_date")

        def attempt(number: int) -> int:
            with self.pool.session() as session:
                (result,) = fill_keys(Tables(session, layout), self.job, batch, number).results
                return result.inserted

        try:
            return retried(attempt, [day], self.watcher.retrying, layout.key_columns)
        except DatabaseError as error:
            if ends_run(error):
                raise
            if batch.height == 1:
                failed.append((*batch.row(0), str(error)))
                return 0
        return max(self._batch(layout, key, failed) for key in batch.iter_slices(1))

    def _report(
        self,
        run_id: str | None,
        results: tuple[DateResult, ...],
        after: Status,
        failed: Sequence[FailedKey] = (),
    ) -> FixReport:
        seconds = time.monotonic() - self.started
        return FixReport(self.job.command, run_id, results, after, seconds, failed_keys=tuple(failed))
