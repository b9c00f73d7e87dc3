"""`recon init --partition-by month`: the calculations as a table of one partition per month."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Any

from recon.config import Settings, Table, TableName
from recon.database import Session, connect, sql
from recon.errors import ExitCode, SchemaError
from recon.report import SCHEMA_VERSION
from recon.schema import CALC_KEY

MONTHS_AHEAD = 12
"""Partitions made for months to come; what lies beyond goes into the default one."""


@dataclass(frozen=True)
class Partitioned:
    """The statements that make a partitioned table, in order, and whether they were run."""

    table: str
    statements: tuple[str, ...]
    ran: bool

    exit_code = ExitCode.OK

    def to_dict(self) -> dict[str, Any]:
        """The JSON document of `recon init --partition-by`."""
        return {
            "schema_version": SCHEMA_VERSION,
            "command": "init",
            "partition_by": "month",
            "table": self.table,
            "statements": list(self.statements),
            "ran": self.ran,
        }


def partition(settings: Settings, today: date, *, name: str, run: bool) -> Partitioned:
    """The statements, and with `run` what they do, in one transaction.

    SchemaError for a table that holds rows (only when they are to be run) or has what they would not keep.
    today: from which month on, where there is no curtailment.
    """
    table = settings.calculations
    with connect(settings, name) as session, session.transaction(read_only=not run):
        (ends,) = session.rows(sql("source_ends", source=settings.curtailment.relation))
        months = _months(ends["first_date"] or today, ends["last_date"] or today)
        before = session.rows(sql("partition_facts"), table.name.quoted)
        if before:
            _check(session, table, before[0], run=run)
        statements = (*(_instead_of(table, before[0]) if before else _new(table)), *_partitions(table, months))
        if before:
            statements += tuple(_kept(table, before[0]))
        for statement in statements if run else ():
            session.execute(statement)
    return Partitioned(str(table.name), statements, run)


def _check(session: Session, table: Table, before: dict[str, Any], *, run: bool) -> None:
    if before["kind"] != "r" or before["has_more"]:
        what = "is partitioned already" if before["kind"] == "p" else "has triggers, rules, policies or foreign keys"
        raise SchemaError(f"{table.name} {what}", "name a new table with --calculations-table")
    if not run:
        return
    session.execute(f"lock table {table.name.quoted} in access exclusive mode")
    if session.rows(f"select exists (select from {table.name.quoted}) as filled")[0]["filled"]:
        raise SchemaError(
            f"{table.name} holds rows; only a new or an empty table is partitioned",
            "name a new one with --calculations-table and let 'recon fix' fill it, or copy the rows",
        )


def _months(first: date, last: date) -> list[date]:
    """The first days of the months of a range, of some to come, and of the one after them."""
    start, end = (day.year * 12 + day.month - 1 for day in (first, last))
    return [date(n // 12, n % 12 + 1, 1) for n in range(start, end + MONTHS_AHEAD + 2)]


def _by_month(table: Table) -> str:
    return f"partition by range ({table.column('settlement_date')})"


def _new(table: Table) -> list[str]:
    columns = {ours: table.column(ours) for ours, _ in table.columns}
    plain = sql("sample_calculations", kind="", table=table.name.quoted, id="id bigserial not null,\n    ", **columns)
    return [f"{plain.rstrip()} {_by_month(table)}"]


def _instead_of(table: Table, before: dict[str, Any]) -> list[str]:
    """The same columns with what they default to; an index or primary key without the date cannot be kept."""
    old = _sibling(table, "before_partitioning")
    return [
        f"alter table {table.name.quoted} rename to {TableName(old.name).quoted}",
        f"create table {table.name.quoted} (like {old.quoted} including all excluding indexes) {_by_month(table)}",
        *before["sequences"],
        f"drop table {old.quoted}",
    ]


def _kept(table: Table, before: dict[str, Any]) -> list[str]:
    owner = [f"alter table {table.name.quoted} owner to {before['owner']}"] if before["of_another"] else []
    return [*before["grants"], *owner]


def _sibling(table: Table, suffix: str) -> TableName:
    return TableName(f"{table.name.name}_{suffix}", table.name.schema)


def _partitions(table: Table, months: list[date]) -> list[str]:
    def of(suffix: str) -> str:
        return f"create table {_sibling(table, suffix).quoted} partition of {table.name.quoted}"

    columns = ", ".join(table.column(name) for name in CALC_KEY)
    return [
        *(f"{of(f'{month:%Y_%m}')} for values from ('{month}') to ('{end}')" for month, end in pairwise(months)),
        f"{of('other')} default",
        f"create unique index on {table.name.quoted} ({columns})",
    ]
