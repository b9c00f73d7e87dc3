"""What a run was asked to do, as plain values: stored with its plan, and what `resume` goes on with."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import polars as pl

from recon.core.errors import LedgerError, UsageError
from recon.core.names import Table, TableName
from recon.core.settings import AUTO, MOST_WORKERS, Fleet, Order, Settings, parse_repairs
from recon.core.window import Window
from recon.reference.reference import Reference
from recon.values.policy import Mending
from recon.values.tolerance import Tolerance


@dataclass(frozen=True)
class Pace:
    """How fast and in which order: whole dates per transaction, connections at work or config.AUTO, order of dates."""

    batch_dates: int = 60
    workers: int = 2
    order: Order = Order.NEWEST

    def __post_init__(self) -> None:
        if self.batch_dates < 1:
            raise UsageError(f"the batch size is {self.batch_dates}", "a transaction takes 1 date or more")
        if not AUTO <= self.workers <= MOST_WORKERS:
            raise UsageError(f"{self.workers} connections are to work", f"give 1 to {MOST_WORKERS}, or auto")


def to_dict(
    settings: Settings,
    reference: Reference,
    pace: Pace,
    window: Window,
    mending: Mending | None = None,
    relations: dict[str, str] | None = None,
) -> dict[str, Any]:
    """Everything that decides what is written, fit for JSON; no connection and no secret.

    relations: both tables by their qualified names, by which `check_tables` knows them again.
    """
    mending = mending or Mending()
    return {
        "window": window.to_dict(),
        "repairs": sorted(mending.repairs),
        "tolerance": vars(mending.tolerance),
        "batch_dates": pace.batch_dates,
        "workers": pace.workers,
        "order": str(pace.order),
        "fleet": str(settings.fleet),
        "curtailment": _table_to_dict(settings.curtailment),
        "calculations": _table_to_dict(settings.calculations),
        "relations": relations,
        **reference.parameters(),
    }


def from_dict(
    parameters: dict[str, Any], settings: Settings, reference: Reference
) -> tuple[Settings, Reference, Pace, Window, Mending]:
    """The run as it began; how to connect, the tables (see `check_tables`), the timeouts and the difficulty are those
    given now, and so is how many rows may change. LedgerError when damaged.
    """
    try:
        as_begun = replace(settings, fleet=Fleet(parameters["fleet"]))
        pace = Pace(int(parameters["batch_dates"]), int(parameters["workers"]), Order(parameters["order"]))
        window = Window.parse(parameters["window"]["first"], parameters["window"]["last"])
        mending = Mending(parse_repairs(",".join(parameters["repairs"])), Tolerance(**parameters["tolerance"]))
        _tables_from_dict(parameters)
        return as_begun, reference.with_parameters(parameters), pace, window, mending
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


@dataclass(frozen=True)
class Job:
    """What every chunk of a run needs: plain values, so that any engine can carry them to a worker."""

    run_id: str
    settings: Settings
    reference: Reference
    command: str = "fix"
    mending: Mending = field(default_factory=Mending)

    @property
    def application_name(self) -> str:
        """What the server shows of our sessions."""
        return f"recon/{self.command}/{self.run_id}"
