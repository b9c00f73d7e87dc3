"""Putting the rows of one date back as they were kept: values in place, removed rows whole, and each compared."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date
from typing import Any

import polars as pl

from recon.core.errors import DatabaseError, SchemaError, UsageError
from recon.core.names import TableName
from recon.core.wording import counted
from recon.postgres.inspect import VALUES
from recon.postgres.session import Session
from recon.postgres.sql import sql
from recon.postgres.tables import Tables
from recon.postgres.whole_rows import WholeTable, places, whole_table
from recon.values.changes import SEE_TRIGGERS, Changes

KEPT = {
    "id": pl.Int64,
    "action": pl.String,
    "row_id": pl.String,
    "btc": pl.String,
    "difficulty": pl.String,
    "kept": pl.String,
    "columns": pl.String,
}
"""One row per row of the quarantine that is to be put back. action: what was done to it (replace, remove; old: replaced
or removed by a version that did both by removing). columns: of which it was, as JSON."""
LOOK = "look at them with 'recon explain', and at the old ones with 'recon quarantine list'"


def fitting(tables: Tables, of_run: str) -> tuple[str, ...]:
    """What is not quite as it was, a line each, where a run's rows are of this table and can come back equal.

    UsageError or SchemaError where they are not or cannot.
    """
    session, table = tables.session, whole_table(tables)
    notes: dict[str, None] = {}
    for shape in session.query("values/quarantine_shapes", of_run):
        notes |= dict.fromkeys(_same_table(session, table, of_run, shape))
        notes |= dict.fromkeys(_same_columns(table, shape))
    return tuple(notes)


def _same_table(session: Session, table: WholeTable, of_run: str, shape: dict[str, Any]) -> list[str]:
    was, identity = shape["table_name"], shape["table_id"]
    known = not shape["is_old"] and (was == table.relation or identity == table.identity)
    if not known and not (shape["is_old"] and _old_name_is(session, table, was)):
        raise UsageError(
            f"run {of_run} took {counted(shape['rows'], 'row')} out of {was}, not out of {table.relation}",
            "name that table with --calculations-table",
            code="other_tables",
        )
    if shape["is_old"]:
        return ["they were kept by an older version, as JSON: json null, array bounds and -0 may not be as they were"]
    ours = identity.split("/")[0] == table.identity.split("/")[0]
    return [f"{table.relation} was made anew since"] if ours and identity != table.identity else []


def _old_name_is(session: Session, table: WholeTable, typed: str) -> bool:
    """Whether the name that an older version kept, as it was typed, is the table's; without a schema, if only one table
    has it.
    """
    now = TableName.parse(table.relation)
    if typed != now.name:
        return typed in (str(now), table.relation)
    return int(session.query("values/tables_named", now.name)[0]["tables"]) == 1


def _same_columns(table: WholeTable, shape: dict[str, Any]) -> list[str]:
    was: dict[str, str | None] = json.loads(shape["row_types"] or "{}")
    rows = f"{counted(shape['rows'], 'row')} cannot come back as they were"
    gone = [name for name in was if name not in table.types]
    if gone or not was:
        raise SchemaError(
            f"{rows}: {table.relation} has no column {', '.join(gone)} any more", "add it again, or rename it back"
        )
    for name, kind in was.items():
        if kind not in (None, table.types[name]):
            raise SchemaError(
                f"{rows}: {table.relation}.{name} is {table.types[name]} now, it was {kind}", "change it back"
            )
    added = [name for name in table.types if name not in was]
    needed = [name for name in added if name in table.must_be_given]
    if needed:
        raise SchemaError(f"{rows}: {table.relation}.{needed[0]} was added and needs a value", "give it a default")
    return [f"{table.relation}.{name} was added since: rows that were removed get its default" for name in added]


def put_back(tables: Tables, of_run: str, run_id: str, day: date) -> tuple[int, int]:
    """Puts the rows of a date back, inside the caller's transaction: how many, and how many were taken out for it.

    DatabaseError where one of them would not be as it was, or where what the run left was changed since.
    """
    changes = Changes.begin(tables, run_id)
    kept = _kept(changes, of_run, day)
    replaced = kept.filter(pl.col("action") == "replace")
    changed = replaced.get_column("row_id").null_count()
    if changed:
        raise _changed(changed, of_run)
    taken = _take_out_old(changes, of_run, day) if (kept.get_column("action") == "old").any() else 0
    now: list[str] = []
    if not replaced.is_empty():
        now += changes.replace(replaced.rename({"btc": "bitcoin_mined"}).with_columns(settlement_date=pl.lit(day)))
    others = kept.filter(pl.col("action") != "replace").sort("columns", maintain_order=True)
    for part in others.partition_by("columns", maintain_order=True):
        now += changes.insert(part.get_column("kept").to_list(), json.loads(part.item(0, "columns")))
    ids = [*replaced.get_column("id"), *others.get_column("id")]
    _compare(changes, ids, now)
    tables.session.execute(sql("values/quarantine_mark"), run_id, ids)
    return len(ids), taken


def _kept(changes: Changes, of_run: str, day: date) -> pl.DataFrame:
    layout, parts = changes.tables.layout, changes.parts
    names = [dict(layout.calculations.columns)[name] for name in VALUES]
    statement = sql("values/quarantine_kept", **parts, day=sql("values/quarantine_day"))
    found = changes.session.rows(statement, of_run, day, layout.calculations_oid, *names)
    return pl.DataFrame(found, schema=KEPT)


def _take_out_old(changes: Changes, of_run: str, day: date) -> int:
    """Removes what a run of an older version put in place of the rows that it removed; that is kept in its turn."""
    layout, session = changes.tables.layout, changes.tables.session
    values = {name: layout.stored_columns[name].exact(f"t.{layout.calculations.column(name)}") for name in VALUES}
    statement = sql(
        "values/quarantine_written", **changes.parts, btc=values["bitcoin_mined"], exact_difficulty=values["difficulty"]
    )
    found = session.rows(statement, of_run, day)
    (due,) = session.query("values/quarantine_replaced", of_run, day)
    if len(found) != due["rows"]:
        raise _changed(due["rows"] - len(found), of_run)
    if found:
        rows = pl.DataFrame(found).with_columns(verdict=pl.lit("restored"), action=pl.lit("remove"))
        changes.keep(rows)
        changes.remove(rows)
    return len(found)


def _compare(changes: Changes, ids: list[int], now: Sequence[str]) -> None:
    own = [dict(changes.tables.layout.calculations.columns)[name] for name in VALUES]
    found = changes.session.query("values/quarantine_differs", ids, list(now), places(now), own, **changes.parts)
    for row in found:
        where = f"{changes.table.relation}.{row['name']}"
        raise DatabaseError(
            f"{counted(row['rows'], 'row')} would not be as they were in {where}", SEE_TRIGGERS, code="kept"
        )


def _changed(rows: int, of_run: str) -> DatabaseError:
    return DatabaseError(f"{counted(rows, 'row')} of run {of_run} changed after the run", LOOK, code="changed")
