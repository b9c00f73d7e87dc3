"""A sample's way into a database."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl

from recon.core.errors import SchemaError, UsageError
from recon.core.names import Table, TableName, quote_identifier
from recon.core.settings import Settings
from recon.postgres.inspect import resolve
from recon.postgres.session import Session, connect
from recon.postgres.sql import sql
from recon.reference.data_files import packaged as packaged_data
from recon.sample.files import Manifest, read, read_manifest


def packaged() -> Path:
    """The directory of the sample that comes with recon, installed or in its repository."""
    return packaged_data("sample")


def load(settings: Settings, directory: Path, *, name: str) -> Manifest:
    """Puts the sample in a directory into the settings' two tables, in one transaction; the sample's manifest.

    Tables that do not exist are created; one that holds rows is left alone with a UsageError.
    DataFileError when the directory does not hold a whole sample.
    """
    curtailment, calculations, manifest = read(directory)
    jobs = ((curtailment, "sample/curtailment"), (calculations, "sample/calculations"))
    with connect(settings, name) as session, session.transaction():
        _one_at_a_time(session)
        tables = _tables(session, settings)
        for (table, exists), (_, statement) in zip(tables, jobs, strict=True):
            if not exists:
                _create(session, table, statement)
            elif _filled(session, table):
                raise UsageError(
                    f"{table.name.name} already holds rows; a sample is only loaded into empty tables",
                    "choose another database, or other names with --curtailment-table and --calculations-table",
                )
        for (table, _), (frame, statement) in zip(tables, jobs, strict=True):
            _fill(session, table, frame, statement)
    return manifest


def ensure(settings: Settings, directory: Path, *, name: str) -> bool:
    """Loads the sample unless one of the tables holds rows already; whether it did."""
    read_manifest(directory)
    with connect(settings, name) as session, session.transaction(read_only=True):
        if any(exists and _filled(session, table) for table, exists in _tables(session, settings)):
            return False
    load(settings, directory, name=name)
    return True


def _tables(session: Session, settings: Settings) -> list[tuple[Table, bool]]:
    """Both tables under their full names, found or to be made by the user's search_path, and whether they exist."""
    found = []
    for table, row in zip((settings.curtailment, settings.calculations), resolve(session, settings), strict=True):
        schema = row["schema_name"] or table.name.schema or row["new_in"]
        if schema is None:
            path = row["search_path"] or "empty"
            raise SchemaError(
                f"there is no schema for {table.name}: the search_path is {path}", "name one: SCHEMA.TABLE"
            )
        found.append((replace(table, name=TableName(table.name.name, schema)), row["oid"] is not None))
    return found


def _one_at_a_time(session: Session) -> None:
    session.execute("select pg_advisory_xact_lock(hashtext('recon sample load'))")


def _filled(session: Session, table: Table) -> bool:
    return bool(session.rows(f"select exists (select from {table.name.quoted}) as filled")[0]["filled"])


def _create(session: Session, table: Table, statement: str) -> None:
    name = table.name.quoted
    session.execute(sql(statement, kind="", table=name, id="id serial primary key,\n    ", **_columns(table)))
    session.execute(f"create index on {name} ({table.column('settlement_date')})")


def _fill(session: Session, table: Table, frame: pl.DataFrame, statement: str) -> None:
    """By way of a temporary table: binary COPY never casts, and the target may have other types than the sample."""
    staging = TableName(f"recon_{statement.replace('/', '_')}")
    renamed = frame.rename(dict(table.columns))
    columns = ", ".join(quote_identifier(name) for name in renamed.columns)
    session.execute(sql(statement, kind="temporary ", table=staging.quoted, id="", **_columns(table)))
    session.copy(staging, renamed, temporary=True)
    with session.as_user():
        session.execute(f"insert into {table.name.quoted} ({columns}) select {columns} from pg_temp.{staging.quoted}")
    session.execute(f"drop table pg_temp.{staging.quoted}")
    session.execute(f"analyze {table.name.quoted}")


def _columns(table: Table) -> dict[str, str]:
    return {ours: table.column(ours) for ours, _ in table.columns}
