"""What a run was asked to do, as plain values: stored with its plan, and what `resume` goes on with."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import polars as pl

from recon.audit import Tolerance
from recon.config import ChangeLimit, Fleet, Order, Settings, Table, TableName
from recon.errors import LedgerError, UsageError
from recon.reference import Reference
from recon.window import Window


@dataclass(frozen=True)
class Pace:
    """How fast and in which order: whole dates per transaction, connections at work or config.AUTO, order of dates."""

    batch_dates: int = 60
    workers: int = 2
    order: Order = Order.NEWEST

    def __post_init__(self) -> None:
        if self.batch_dates < 1:
            raise UsageError(f"the batch size is {self.batch_dates}", "a transaction takes 1 date or more")


@dataclass(frozen=True)
class Mending:
    """What is repaired, when values agree, and how many stored rows may be replaced or removed."""

    repairs: frozenset[str] = frozenset({"missing"})
    tolerance: Tolerance = field(default_factory=Tolerance)
    limit: ChangeLimit = field(default_factory=ChangeLimit)

    @property
    def changes_rows(self) -> bool:
        """Whether it may touch rows that are there."""
        return bool(self.repairs - {"missing"})


def to_dict(
    settings: Settings, reference: Reference, pace: Pace, window: Window, mending: Mending | None = None
) -> dict[str, Any]:
    """Everything that decides what is written, fit for JSON; no connection and no secret."""
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
        **reference.parameters(),
    }


def from_dict(
    parameters: dict[str, Any], settings: Settings, reference: Reference
) -> tuple[Settings, Reference, Pace, Window, Mending]:
    """The run as it began; how to connect, the timeouts and the difficulty are today's. LedgerError when damaged."""
    try:
        as_begun = replace(
            settings,
            fleet=Fleet(parameters["fleet"]),
            curtailment=_table_from_dict(parameters["curtailment"]),
            calculations=_table_from_dict(parameters["calculations"]),
        )
        pace = Pace(int(parameters["batch_dates"]), int(parameters["workers"]), Order(parameters["order"]))
        window = Window.parse(parameters["window"]["first"], parameters["window"]["last"])
        mending = Mending(frozenset(parameters["repairs"]), Tolerance(**parameters["tolerance"]))
        return as_begun, reference.with_parameters(parameters), pace, window, mending
    except (KeyError, TypeError, ValueError, UsageError, pl.exceptions.PolarsError) as error:
        raise LedgerError(f"the run's parameters are damaged: {error!r}", "start anew with 'recon fix'") from None


def _table_to_dict(table: Table) -> dict[str, Any]:
    return {"schema": table.name.schema, "name": table.name.name, "columns": [list(pair) for pair in table.columns]}


def _table_from_dict(values: dict[str, Any]) -> Table:
    columns = tuple((str(ours), str(theirs)) for ours, theirs in values["columns"])
    return Table(TableName(values["name"], values["schema"]), columns)
