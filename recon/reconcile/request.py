"""What a run is and what it was asked to do, as plain values: stored with its plan, and what `resume` goes on with."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from typing import TYPE_CHECKING, Any

import polars as pl

from recon.core.errors import LedgerError, UsageError
from recon.core.names import Table, TableName
from recon.core.settings import (
    AUTO,
    DEFAULT_BATCH_DATES,
    DEFAULT_WORKERS,
    MOST_WORKERS,
    ChangeLimit,
    Fleet,
    Order,
    Settings,
    parse_repairs,
)
from recon.core.suggestions import UPDATE_DIFFICULTY, Suggestion, repair_command
from recon.core.window import Window
from recon.postgres.inspect import inspect, opened
from recon.postgres.pool import Pool
from recon.postgres.session import Session, connect
from recon.postgres.tables import Tables
from recon.reconcile.engine import THREADS, Engine, works_here
from recon.reconcile.watcher import Compared, unwatched
from recon.reference.reference import Reference
from recon.values.policy import RepairPolicy
from recon.values.tolerance import Tolerance

if TYPE_CHECKING:
    from recon.values.judging import Judge


@dataclass(frozen=True)
class Job:
    """The identity of a run or of a look: plain values, so that any engine can carry them to a worker."""

    run_id: str
    command: str
    settings: Settings
    reference: Reference

    @property
    def name(self) -> str:
        """What the server shows of our sessions."""
        return f"recon/{self.command}/{self.run_id}"

    @property
    def models(self) -> tuple[str, ...]:
        """The configured miner models."""
        return self.reference.models

    def priceable(self, days: Sequence[date]) -> set[date]:
        """Those of some dates whose difficulty and block subsidy are known."""
        return set(self.reference.terms(list(days)).drop_nulls().get_column("settlement_date"))

    def judge(self, tolerance: Tolerance) -> Judge:
        """Who says whether stored values are right."""
        from recon.values.judging import Judge

        return Judge(self.reference, self.settings.fleet, tolerance)

    def blocked(self, days: Sequence[date]) -> dict[date, Suggestion | None]:
        """Those of some dates that cannot be priced, each with the command that may bring what it lacks: newer
        difficulty, where no file of it was given.
        """
        lacking = self.reference.terms(days).filter(pl.any_horizontal(pl.col("difficulty", "subsidy_btc").is_null()))
        update = None if self.settings.difficulty_file else UPDATE_DIFFICULTY
        rows = lacking.select("settlement_date", pl.col("difficulty").is_null()).iter_rows()
        return {day: update if unknown else None for day, unknown in rows}

    def session(self) -> Session:
        """A session of its own."""
        return connect(self.settings, self.name)

    def pool(self, *, max_uses: int = 0, max_age_s: float = math.inf) -> Pool:
        """Sessions for several threads; see Pool."""
        return Pool(self.settings, self.name, max_uses=max_uses, max_age_s=max_age_s)

    def opened(self) -> AbstractContextManager[Tables]:
        """Both tables, to be read through a session of their own."""
        return opened(self.settings, self.name)

    @contextmanager
    def tables(self, pool: Pool, request: FixRequest | None = None) -> Iterator[Tables]:
        """Both tables through a session of the pool: to be read, or as a run needs them that is to do the request.

        SchemaError or PermissionDenied names the first thing that does not fit.
        """
        with pool.session() as session:
            if request is None or request.dry_run:
                yield Tables(session, inspect(session, self.settings))
                return
            policy = request.policy
            changing = {"removing": policy.removes_rows, "updating": policy.updates_rows}
            layout = inspect(session, self.settings, writing=True, models=self.models, **changing)
            yield Tables(session, layout)


@dataclass(frozen=True)
class FixRequest:
    """What a run that fills and repairs is asked to do.

    batch_dates: whole dates per transaction. workers: connections at work, or settings.AUTO. limit: how many stored
    rows may be replaced or removed. deep: compare every key instead of checksums per date.
    """

    window: Window = field(default_factory=Window)
    policy: RepairPolicy = field(default_factory=RepairPolicy)
    limit: ChangeLimit = field(default_factory=ChangeLimit)
    batch_dates: int = DEFAULT_BATCH_DATES
    workers: int = DEFAULT_WORKERS
    order: Order = Order.OLDEST
    deep: bool = False
    dry_run: bool = False

    def __post_init__(self) -> None:
        if self.batch_dates < 1:
            raise UsageError(f"the batch size is {self.batch_dates}", "a transaction takes 1 date or more")
        if not AUTO <= self.workers <= MOST_WORKERS:
            raise UsageError(f"{self.workers} connections are to work", f"give 1 to {MOST_WORKERS}, or auto")

    def command(self, repairs: Collection[str], *words: object) -> Suggestion:
        """The command that asks for these of its repairs, with more words."""
        pace: list[object] = [self.batch_dates] if self.batch_dates != DEFAULT_BATCH_DATES else []
        pace += ["--order", self.order] if self.order is not Order.OLDEST else []
        pace += ["--workers", self.workers or "auto"] if self.workers != DEFAULT_WORKERS else []
        one_date = self.window.first and self.window.first == self.window.last  # whose command has no pace
        near = self.policy.tolerance.options if set(repairs) - {"missing"} else []
        return repair_command(self.window, repairs, *([] if one_date else pace), *near, *words)

    @property
    def about_workers(self) -> int:
        """How many connections take turns with the chunks; the usual number where the server is to say it."""
        return self.workers or DEFAULT_WORKERS

    def to_dict(self, job: Job, relations: dict[str, str] | None = None) -> dict[str, Any]:
        """Everything that decides what is written, fit for JSON; no connection and no secret.

        relations: both tables by their qualified names, by which `check_tables` knows them again.
        """
        return {
            "window": self.window.to_dict(),
            "repairs": sorted(self.policy.repairs),
            "tolerance": vars(self.policy.tolerance),
            "batch_dates": self.batch_dates,
            "workers": self.workers,
            "order": str(self.order),
            "fleet": str(job.settings.fleet),
            "curtailment": _table_to_dict(job.settings.curtailment),
            "calculations": _table_to_dict(job.settings.calculations),
            "relations": relations,
            **job.reference.parameters(),
        }


@dataclass(frozen=True)
class ValueCheck:
    """Options of a value check: tolerance, connections, progress callback, engine; deep: row by row on every date.

    agreed: the dates all of whose values are right, where a survey has found them by their sums (value_check.AGREED);
    None: each chunk looks for them.
    """

    tolerance: Tolerance = field(default_factory=Tolerance)
    workers: int = 2
    progress: Compared = unwatched
    engine: Engine = THREADS
    deep: bool = False
    agreed: pl.DataFrame | None = None

    @property
    def by_sums(self) -> bool:
        """Whether a survey is to find the dates that are all right: else all is read by who does the work."""
        return not self.deep and works_here(self.engine)


def from_dict(parameters: dict[str, Any], job: Job) -> tuple[Job, FixRequest]:
    """The run as it began; how to connect, the tables (see `check_tables`), the timeouts and the difficulty are those
    of the given job, and so is how many rows may change. LedgerError when damaged.
    """
    try:
        request = FixRequest(
            Window.parse(parameters["window"]["first"], parameters["window"]["last"]),
            RepairPolicy(parse_repairs(",".join(parameters["repairs"])), Tolerance(**parameters["tolerance"])),
            batch_dates=int(parameters["batch_dates"]),
            workers=int(parameters["workers"]),
            order=Order(parameters["order"]),
        )
        _tables_from_dict(parameters)
        settings = replace(job.settings, fleet=Fleet(parameters["fleet"]))
        return replace(job, settings=settings, reference=job.reference.with_parameters(parameters)), request
    except (KeyError, TypeError, ValueError, UsageError, pl.exceptions.PolarsError) as error:
        raise LedgerError(f"the run's parameters are damaged: {error!r}", "start anew with 'recon fix'") from None


def check_tables(parameters: dict[str, Any], run_id: str, settings: Settings, relations: dict[str, str]) -> None:
    """UsageError where a run is of other tables or columns than those that are given now (`relations`: their qualified
    names): what a line of the ledger names is never worked on because it is named there.
    """
    known = parameters.get("relations") or {}
    for name, begun in _tables_from_dict(parameters).items():
        now = TableName.parse(relations[name])
        was = known.get(name) or str(begun.name)
        same = was == relations[name] if name in known else begun.name in (now, TableName(now.name))
        if not same:
            raise UsageError(
                f"run {run_id} is of table {was}, not of {relations[name]}",
                "name the run's tables with --curtailment-table and --calculations-table, if they are meant",
                code="other_tables",
            )
        if begun.columns != getattr(settings, name).columns:
            raise UsageError(
                f"run {run_id} is of other columns of {relations[name]}",
                f"name them with --{name}-columns as the run did",
                code="other_tables",
            )


def _tables_from_dict(parameters: dict[str, Any]) -> dict[str, Table]:
    if not isinstance(parameters.get("relations") or {}, dict):
        raise ValueError("relations")
    return {name: _table_from_dict(parameters[name]) for name in ("curtailment", "calculations")}


def _table_to_dict(table: Table) -> dict[str, Any]:
    return {"schema": table.name.schema, "name": table.name.name, "columns": [list(pair) for pair in table.columns]}


def _table_from_dict(values: dict[str, Any]) -> Table:
    columns = tuple((str(ours), str(theirs)) for ours, theirs in values["columns"])
    return Table(TableName(values["name"], values["schema"]), columns)
