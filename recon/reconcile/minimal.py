"""The careful way: exactly one connection, a few keys per transaction, pauses; for dates that time out otherwise.

The same pricing and the same writing as `fix`: `load.fill`, narrowed to some keys.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date

import polars as pl

from recon.core import gaps
from recon.core.errors import DatabaseError, ExitCode, Interrupted, ReconError
from recon.core.plan import DateResult, PlannedDate, plan
from recon.core.schema import KEY
from recon.core.settings import Settings
from recon.core.version import __version__
from recon.core.window import Window
from recon.postgres import ledger, whole_rows
from recon.postgres.errors import ends_run
from recon.postgres.inspect import inspect
from recon.postgres.layout import Layout
from recon.postgres.pool import Pool
from recon.postgres.scope import scope
from recon.postgres.session import Session, connect
from recon.postgres.sql import sql
from recon.postgres.stopping import pause
from recon.postgres.tables import read_done, read_keys
from recon.reconcile.chunk import fill
from recon.reconcile.report import FixReport
from recon.reconcile.request import Job, Pace, to_dict
from recon.reconcile.run import retried
from recon.reconcile.status import Status
from recon.reconcile.survey import survey
from recon.reconcile.watcher import Compared, Watcher, unwatched
from recon.reference.reference import Reference

MAX_USES = 100
MAX_AGE_S = 600.0
STATEMENT_S = 10.0
LOCK_S = 5.0


Look = Callable[[Session, Layout, Window], Status]


class NoCurtailment(ReconError):
    """A key that the source does not have; the hint names the nearest ones that it has."""

    exit_code = ExitCode.DIFFERENCES
    code = "no_curtailment"


@dataclass(frozen=True)
class Care:
    """How carefully: keys per transaction, and seconds of rest between transactions."""

    keys: int = 1
    pause_s: float = 0.0


def careful(settings: Settings) -> Settings:
    """The settings with short statement and lock timeouts, unless others were asked for."""
    given = settings.timeouts
    short = replace(given, statement_s=given.statement_s or STATEMENT_S, lock_s=given.lock_s or LOCK_S)
    return replace(settings, timeouts=short)


class Minimal:
    """One careful run on one connection, which is replaced every MAX_USES transactions and MAX_AGE_S seconds."""

    def __init__(
        self, settings: Settings, reference: Reference, care: Care, *, command: str, run_id: str, watcher: Watcher
    ) -> None:
        self._settings = careful(settings)
        self._reference = reference
        self._care = care
        self._job = Job(run_id, self._settings, reference, command)
        self._watcher = watcher
        self._started = time.monotonic()
        self._pool = Pool(self._settings, self._job.application_name, max_uses=MAX_USES, max_age_s=MAX_AGE_S)

    def one_date(self, day: date) -> FixReport:
        """Fills one date, `care.keys` keys at a time; a key that fails is reported and the others go on."""
        window = Window(day, day)
        with self._pool.session() as session:
            layout = inspect(session, self._settings, writing=True, models=self._reference.models)
            before = self._first_look(session, layout, window)
            planned = plan(before.dates, self._reference.terms([day]), Pace().order)
            keys = self._missing_keys(session, layout, scope([day]))
        return self._filled(layout, window, before, planned, keys, self._survey)

    def most_critical(self) -> FixReport:
        """Fills the date with the most missing rows that can be priced."""
        with self._pool.session() as session:
            layout = inspect(session, self._settings, writing=True, models=self._reference.models)
            found = self._first_look(session, layout, Window())
        days = found.incomplete.filter(pl.col("missing") > 0).get_column("settlement_date").to_list()
        priced = self._reference.terms(days).drop_nulls().get_column("settlement_date").to_list()
        worst = next((day for day in days if day in set(priced)), None)
        return self.one_date(worst) if worst else self._report(None, (), found)

    def spot(self, day: date, period: int, farm: str) -> FixReport:
        """Fills one key. NoCurtailment when the source does not have it."""
        key = pl.DataFrame([(day, period, farm)], schema=dict.fromkeys(KEY), orient="row").cast(
            {"settlement_period": pl.Int32}
        )

        def look(session: Session, layout: Layout, window: Window) -> Status:
            return self._survey_key(session, layout, window, key)

        with self._pool.session() as session:
            layout = inspect(session, self._settings, writing=True, models=self._reference.models)
            before = look(session, layout, Window(day, day))
            if not before.total("expected"):
                raise self._no_curtailment(session, layout, day, period, farm)
        planned = plan(before.dates, self._reference.terms([day]), Pace().order)
        return self._filled(layout, Window(day, day), before, planned, key, look)

    def _missing_keys(self, session: Session, layout: Layout, where: dict[str, str]) -> pl.DataFrame:
        keys, done = read_keys(session, layout, where), read_done(session, layout, where)
        wanted = gaps.expected(keys.lazy().select(KEY), self._reference.miners.lazy().select("miner_model"))
        return gaps.missing(wanted, done.lazy()).select(KEY).unique().sort(KEY).collect()

    def _first_look(self, session: Session, layout: Layout, window: Window) -> Status:
        """The survey before there is a plan."""
        with self._watcher.comparing() as compared:
            return self._survey(session, layout, window, compared)

    def _survey(self, session: Session, layout: Layout, window: Window, compared: Compared = unwatched) -> Status:
        return survey(session, self._settings, layout, self._reference.models, window, compared=compared)

    def _survey_key(self, session: Session, layout: Layout, window: Window, key: pl.DataFrame) -> Status:
        where = scope(key.get_column("settlement_date"), key.get_column("settlement_period"))
        keys = read_keys(session, layout, where).join(key, on=KEY, how="semi")
        done = read_done(session, layout, where).join(key, on=KEY, how="semi")
        models = self._reference.miners.lazy().select("miner_model")
        source = keys.group_by("settlement_date").agg(
            source_rows=pl.len().cast(pl.Int64), invalid=pl.lit(0), keys=pl.len().cast(pl.Int64)
        )
        counts = gaps.count(keys.lazy(), models, done.lazy()).collect()
        return Status(window, self._reference.models, source, counts)

    def _no_curtailment(self, session: Session, layout: Layout, day: date, period: int, farm: str) -> NoCurtailment:
        near = session.rows(sql("values/nearest_keys", **layout.parts), day, period, farm)
        keys = ", ".join(f"{k['settlement_date']} {k['settlement_period']} {k['farm_id']}" for k in near)
        return NoCurtailment(
            f"there is no curtailment of {farm} on {day} in settlement period {period}",
            f"the nearest keys are {keys}" if keys else "the source holds nothing near by",
        )

    def _filled(
        self,
        layout: Layout,
        window: Window,
        before: Status,
        planned: Sequence[PlannedDate],
        keys: pl.DataFrame,
        look: Look,
    ) -> FixReport:
        if not planned or planned[0].blocked:
            return self._report(None, tuple(date.result for date in planned), before)
        with self._pool.session() as session:
            self._store(session, layout, window, planned)
        try:
            result, failed = self._keys_filled(layout, planned[0], keys)
        except BaseException as error:
            self._pool.close()
            with connect(self._settings, self._job.application_name, last_words=True) as session:
                ledger.finish(session, self._job.run_id, "interrupted" if isinstance(error, Interrupted) else "failed")
            raise
        with self._pool.session() as session:
            after = look(session, layout, window)
        self._pool.close()
        return self._report(self._job.run_id, (result,), after, failed)

    def _store(self, session: Session, layout: Layout, window: Window, planned: Sequence[PlannedDate]) -> None:
        ledger.ensure(session)
        relations = whole_rows.relations(session, layout)
        parameters = to_dict(self._settings, self._reference, Pace(1, 1), window, relations=relations)
        day = planned[0].day
        job = self._job
        ledger.store_plan(session, job.run_id, job.command, __version__, (day, day), parameters, planned)
        self._watcher.planned(job.run_id, planned)

    def _keys_filled(
        self, layout: Layout, planned: PlannedDate, keys: pl.DataFrame
    ) -> tuple[DateResult, tuple[tuple[date, int, str, str], ...]]:
        """Every key in turn, then the date's last line in the ledger."""
        failed: list[tuple[date, int, str, str]] = []
        transactions = written = 0
        for batch in keys.iter_slices(self._care.keys):
            transactions += 1
            total = self._batch(layout, batch, failed)
            self._watcher.wrote(planned.day, max(0, total - written))
            written = max(total, written)
            pause(self._care.pause_s)
        error = f"{len(failed)} keys failed, first {failed[0][1]} {failed[0][2]}: {failed[0][3]}" if failed else None
        last = DateResult(
            planned.day,
            "failed" if failed else "done",
            planned.missing,
            attempts=transactions,
            seconds=time.monotonic() - self._started,
            error=error,
        )
        with self._pool.session() as session:
            with session.transaction():
                (result,) = ledger.record(session, self._job.run_id, [last])
            ledger.finish(session, self._job.run_id)
        self._watcher.finished(result)
        return result, tuple(failed)

    def _batch(self, layout: Layout, batch: pl.DataFrame, failed: list[tuple[date, int, str, str]]) -> int:
        """Fills some keys in one transaction; when that fails, one by one. The date's rows written so far."""
        day: date = batch.item(0, "settlement_date")

        def attempt(number: int) -> int:
            with self._pool.session() as session:
                (result,) = fill(session, layout, self._job, [day], number, only=batch).results
                return result.inserted

        try:
            return retried(attempt, [day], self._watcher.retrying, layout)
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
        failed: tuple[tuple[date, int, str, str], ...] = (),
    ) -> FixReport:
        seconds = time.monotonic() - self._started
        return FixReport(self._job.command, run_id, results, after, seconds, failed_keys=failed)
