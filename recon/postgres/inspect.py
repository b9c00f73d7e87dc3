"""Whether both tables fit: they are there, their columns have usable types, and the role may do what is asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from recon.core.errors import DatabaseError, PermissionDenied, SchemaError
from recon.core.names import Table, TableName, quote_identifier
from recon.core.schema import CALC_KEY, SATOSHI_DECIMALS
from recon.core.settings import Settings
from recon.postgres import obstacles
from recon.postgres.errors import row_security_denied
from recon.postgres.layout import FLOATS, WHOLES, Column, Layout
from recon.postgres.session import Session, connect
from recon.postgres.tables import Tables

OLDEST_SERVER = 140000
TEXTS = ("text", "varchar")
NUMBERS = ("numeric", "float8", "float4", "int2", "int4", "int8")
FITTING = {
    "settlement_date": (("date",), "date"),
    "settlement_period": (tuple(WHOLES), "integer"),
    "farm_id": (TEXTS, "text"),
    "miner_model": (TEXTS, "text"),
    "volume": (("numeric", *FLOATS), "numeric or float8"),
    "bitcoin_mined": (("numeric", "float8"), "numeric with at least 8 decimals, or float8"),
    "difficulty": (("numeric", "float8"), "numeric or float8"),
}
VALUES = ("bitcoin_mined", "difficulty")
"""Columns of the calculations that a repair writes anew."""
PRICES = ("original_price", "final_price")
"""Columns of the curtailment table that are used where they exist: rows that differ in price are not copies."""


def inspect(
    session: Session,
    settings: Settings,
    *,
    writing: bool = False,
    removing: bool = False,
    updating: bool = False,
    models: Sequence[str] = (),
) -> Layout:
    """Both tables' layout; SchemaError or PermissionDenied names the first thing that does not fit.

    writing, removing, updating: whether rows are to be added to the calculations, taken out of them, and given other
    values; models: of which miners.
    """
    with session.transaction(read_only=True):
        layout = _inspect(session, settings, writing=writing, removing=removing, updating=updating)
        if writing:
            changing = removing or updating
            obstacles.check(session, layout.calculations, layout.calculations_oid, models, changing=changing)
        return layout


@contextmanager
def opened(settings: Settings, name: str) -> Iterator[Tables]:
    """Both tables, to be read through a session of their own; `name`: its application name."""
    with connect(settings, name) as session:
        yield Tables(session, inspect(session, settings))


def _inspect(session: Session, settings: Settings, *, writing: bool, removing: bool, updating: bool) -> Layout:
    source_oid, stored_oid = _oids(session, settings)
    columns = session.query("postgres/columns", [source_oid, stored_oid])
    source, stored = ([row for row in columns if row["table_oid"] == oid] for oid in (source_oid, stored_oid))
    _check_version(source[0]["server_version"])
    curtailment, calculations = _qualified(settings.curtailment, source), _qualified(settings.calculations, stored)
    source_columns, stored_columns = _fit(settings.curtailment, source), _fit(settings.calculations, stored)
    for table, rows in ((curtailment, source), (calculations, stored)):
        _may(table, rows, "SELECT")
        _check_whole(session, table, rows)
    if writing:
        _check_writing(session, settings.calculations, stored)
    if updating:
        _may(settings.calculations, stored, "UPDATE", VALUES)
    if removing:
        _may(settings.calculations, stored, "DELETE")
    return Layout(
        curtailment=curtailment,
        calculations=calculations,
        source_columns=source_columns,
        stored_columns=stored_columns,
        calculations_oid=stored_oid,
        curtailment_oid=source_oid,
        partitioned=stored[0]["kind"] == "p",
        unique_index=_unique_index(session, calculations, stored_oid),
        is_table=stored[0]["kind"] in ("r", "p", "m"),
        has_heirs=stored[0]["has_heirs"],
        source_versions=source[0]["has_versions"],
        stored_versions=stored[0]["has_versions"],
        price_columns=_price_columns(source),
    )


def _check_version(version: int) -> None:
    if version < OLDEST_SERVER:
        raise DatabaseError(f"the server is version {version // 10000}", "recon needs PostgreSQL 14")


def _price_columns(source: list[dict[str, Any]]) -> tuple[str, ...]:
    usable = (row for row in source if row["may_select"] and row["base_type"] in NUMBERS)
    return tuple(row["column_name"] for row in usable if row["column_name"] in PRICES)


def resolve(session: Session, settings: Settings) -> list[dict[str, Any]]:
    """What the user's search_path makes of both tables' names, in an open transaction: see `resolve.sql`."""
    names = (settings.curtailment.name.quoted, settings.calculations.name.quoted)
    with session.as_user():
        return session.query("postgres/resolve", *names)


def _oids(session: Session, settings: Settings) -> tuple[int, int]:
    """Both tables; SchemaError names the first that there is not."""
    both = resolve(session, settings)
    for table, found in zip((settings.curtailment.name, settings.calculations.name), both, strict=True):
        if found["oid"] is None:
            where = "" if table.schema else f" (searched: {found['search_path'] or 'no schema'})"
            raise SchemaError(
                f"the database has no table {table}{where}",
                "name it with --curtailment-table or --calculations-table, or check the database in the URL",
            )
    return both[0]["oid"], both[1]["oid"]


def _qualified(table: Table, rows: list[dict[str, Any]]) -> Table:
    """The table under its full name, which means the same whatever the search_path is."""
    return replace(table, name=TableName(rows[0]["table_name"], rows[0]["schema_name"]))


def _check_whole(session: Session, table: Table, rows: list[dict[str, Any]]) -> None:
    """PermissionDenied where row security hides rows of a table: from what is left, nothing can be told."""
    if rows[0]["row_security"]:
        raise row_security_denied(rows[0]["relation"], rows[0]["role_name"])
    if rows[0]["kind"] == "v":  # it may hide rows of the tables behind it; the server then refuses
        session.execute(f"select from {table.relation} s where false")


def _unique_index(session: Session, calculations: Table, oid: int) -> bool:
    names = [theirs for ours, theirs in calculations.columns if ours in CALC_KEY]
    return bool(session.query("postgres/unique_index", oid, names)[0]["found"])


def _fit(table: Table, rows: list[dict[str, Any]]) -> dict[str, Column]:
    found = {row["column_name"]: row for row in rows}
    fitted = {}
    for ours, theirs in table.columns:
        types, wanted = FITTING[ours]
        if theirs not in found:
            raise SchemaError(
                f"{table.name} has no column {theirs} (expected: {wanted})",
                f"rename it with --{_option(table)}-columns {ours}=NAME; it has {', '.join(found)}",
            )
        row = found[theirs]
        constrained = row["base_type"] == "numeric" and row["typmod"] >= 4
        decimals = (((row["typmod"] - 4) & 0x7FF) ^ 0x400) - 0x400 if constrained else None  # 11 bits with a sign
        short = ours == "bitcoin_mined" and decimals is not None and decimals < SATOSHI_DECIMALS
        if row["base_type"] not in types or short:
            raise SchemaError(
                f"{table.name}.{theirs} is {row['type_name']}, expected {wanted}",
                "change the column's type, or name another one",
            )
        digits = None if decimals is None else (row["typmod"] - 4) >> 16 & 0xFFFF
        fitted[ours] = Column(row["base_type"], decimals, digits)
    return fitted


def _option(table: Table) -> str:
    return "calculations" if "miner_model" in dict(table.columns) else "curtailment"


def _may(table: Table, rows: list[dict[str, Any]], privilege: str, some: Sequence[str] = ()) -> None:
    names = {theirs for ours, theirs in table.columns if not some or ours in some}
    refused = [r["column_name"] for r in rows if r["column_name"] in names and not r[f"may_{privilege.lower()}"]]
    if refused:
        raise _denied(rows, privilege)


def _denied(rows: list[dict[str, Any]], privilege: str, why: str = "") -> PermissionDenied:
    relation, role = rows[0]["relation"], quote_identifier(rows[0]["role_name"])
    return PermissionDenied(
        f"role {role} has no {privilege} privilege on {relation}{why}",
        f"ask its owner for: GRANT {privilege} ON {relation} TO {role}",
    )


def _check_writing(session: Session, table: Table, rows: list[dict[str, Any]]) -> None:
    _may(table, rows, "INSERT")
    if not rows[0]["may_select_whole"]:
        raise _denied(rows, "SELECT", " as a whole, by which what was written is verified (columns alone do not do)")
    if rows[0]["kind"] not in ("r", "p"):
        raise SchemaError(f"{table.name} is not a table that can be written to", "name the table behind it")
    ours = {theirs for _, theirs in table.columns}
    extra = [row["column_name"] for row in rows if row["must_be_given"] and row["column_name"] not in ours]
    if extra:
        raise SchemaError(
            f"{table.name} needs a value in {', '.join(extra)}, which recon does not know",
            "give the column a default",
        )
    sequences = [row["sequence_name"] for row in rows if row["sequence_name"] and row["column_name"] not in ours]
    refused = [row["name"] for row in session.query("postgres/sequences", sequences)] if sequences else []
    if refused:
        role = quote_identifier(rows[0]["role_name"])
        raise PermissionDenied(
            f"role {role} has no USAGE privilege on sequence {refused[0]}",
            f"ask its owner for: GRANT USAGE ON SEQUENCE {refused[0]} TO {role}",
        )
