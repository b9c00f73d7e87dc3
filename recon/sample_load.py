"""A sample's way into a database."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from recon import reference
from recon.config import Settings, Table, TableName, quote_identifier
from recon.database import Session, connect, sql
from recon.errors import UsageError
from recon.sample_files import Manifest, read, read_manifest


def packaged() -> Path:
    """The directory of the sample that comes with recon, installed or in its repository."""
    return reference.packaged("sample")


def load(settings: Settings, directory: Path, *, name: str) -> Manifest:
    """Puts the sample in a directory into the settings' two tables, in one transaction; the sample's manifest.

    Tables that do not exist are created; one that holds rows is left alone with a UsageError.
    DataFileError when the directory does not hold a whole sample.
    """
    curtailment, calculations, manifest = read(directory)
    jobs = (
        (settings.curtailment, curtailment, "sample_curtailment"),
        (settings.calculations, calculations, "sample_calculations"),
    )
    with connect(settings, name) as session, session.transaction():
        _one_at_a_time(session)
        for table, _, statement in jobs:
            if not _exists(session, table):
                _create(session, table, statement)
            elif _filled(session, table):
                raise UsageError(
                    f"{table.name} already holds rows; a sample is only loaded into empty tables",
                    "choose another database, or other names with --curtailment-table and --calculations-table",
                )
        for table, frame, statement in jobs:
            _fill(session, table, frame, statement)
    return manifest


def ensure(settings: Settings, directory: Path, *, name: str) -> bool:
    """Loads the sample unless one of the tables holds rows already; whether it did."""
    read_manifest(directory)
    with connect(settings, name) as session:
        tables = (settings.curtailment, settings.calculations)
        if any(_exists(session, table) and _filled(session, table) for table in tables):
            return False
    load(settings, directory, name=name)
    return True


def _one_at_a_time(session: Session) -> None:
    session.execute("select pg_advisory_xact_lock(hashtext('recon sample load'))")


def _exists(session: Session, table: Table) -> bool:
    return bool(session.rows("select to_regclass($1) is not null as found", table.name.quoted)[0]["found"])


def _filled(session: Session, table: Table) -> bool:
    return bool(session.rows(f"select exists (select from {table.name.quoted}) as filled")[0]["filled"])


def _create(session: Session, table: Table, statement: str) -> None:
    name = table.name.quoted
    session.execute(sql(statement, kind="", table=name, id="id serial primary key,\n    ", **_columns(table)))
    session.execute(f"create index on {name} ({table.column('settlement_date')})")


def _fill(session: Session, table: Table, frame: pl.DataFrame, statement: str) -> None:
    """By way of a temporary table: binary COPY never casts, and the target may have other types than the sample."""
    staging = TableName(f"recon_{statement}")
    renamed = frame.rename(dict(table.columns))
    columns = ", ".join(quote_identifier(name) for name in renamed.columns)
    session.execute(sql(statement, kind="temporary ", table=staging.quoted, id="", **_columns(table)))
    session.copy(staging, renamed, temporary=True)
    session.execute(f"insert into {table.name.quoted} ({columns}) select {columns} from pg_temp.{staging.quoted}")
    session.execute(f"drop table pg_temp.{staging.quoted}")
    session.execute(f"analyze {table.name.quoted}")


def _columns(table: Table) -> dict[str, str]:
    return {ours: table.column(ours) for ours, _ in table.columns}
