"""A sample's files, and its way into a database."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import polars as pl
from polars.exceptions import PolarsError

from recon.config import Table, TableName, quote_identifier
from recon.database import Session, sql
from recon.errors import DataFileError, UsageError
from recon.sample import CALCULATIONS_FILE, CURTAILMENT_FILE, Sample

MANIFEST = "sample.json"
GENERATE = "run 'recon sample generate --out DIR'"


def write(sample: Sample, directory: Path, *, force: bool = False) -> list[Path]:
    """Writes both tables and the manifest; the files written. The manifest comes last: with it a sample is whole.

    UsageError when the directory holds something else than a sample, unless `force` (which keeps the other files).
    """
    _check_free(directory, force=force)
    frames = {CURTAILMENT_FILE: sample.curtailment, CALCULATIONS_FILE: sample.calculations}
    manifest = directory / MANIFEST
    try:
        directory.mkdir(parents=True, exist_ok=True)
        manifest.unlink(missing_ok=True)
        for name, frame in frames.items():
            part = directory / f"{name}.parquet.part"
            frame.write_parquet(part, compression="zstd", compression_level=12)
            os.replace(part, directory / f"{name}.parquet")
        part = directory / f"{MANIFEST}.part"
        part.write_text(json.dumps(sample.manifest, indent=2) + "\n", encoding="utf-8")
        os.replace(part, manifest)
    except OSError as error:
        raise UsageError(
            f"cannot write the sample to {directory}: {error.strerror}", "choose another --out"
        ) from None
    return [*(directory / f"{name}.parquet" for name in frames), manifest]


def _check_free(directory: Path, *, force: bool) -> None:
    if not directory.exists():
        return
    if not directory.is_dir():
        raise UsageError(f"{directory} is not a directory", "choose another --out")
    others = sorted(path.name for path in directory.iterdir())
    if others and MANIFEST not in others and not force:
        raise UsageError(
            f"{directory} is not empty and holds no sample ({len(others)} entries, as {others[0]})",
            "choose another --out, or pass --force to write next to them",
        )


def read(directory: Path) -> Sample:
    """The sample in a directory; DataFileError when a file is absent, damaged, or not what the manifest says."""
    manifest = _manifest(directory / MANIFEST)
    frames = [_frame(directory / f"{name}.parquet", manifest) for name in (CURTAILMENT_FILE, CALCULATIONS_FILE)]
    return Sample(*frames, manifest)


def _manifest(path: Path) -> dict[str, Any]:
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        return {**manifest, "rows": dict(manifest["rows"])}
    except FileNotFoundError:
        raise DataFileError(f"{path.parent} holds no sample: it has no {path.name}", GENERATE) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataFileError(f"{path} cannot be read: {error}", GENERATE) from None


def _frame(path: Path, manifest: dict[str, Any]) -> pl.DataFrame:
    try:
        frame = pl.read_parquet(path)
    except (OSError, PolarsError) as error:
        raise DataFileError(f"{path} cannot be read: {str(error).splitlines()[0]}", GENERATE) from None
    if frame.height != manifest["rows"].get(path.stem):
        wanted = manifest["rows"].get(path.stem)
        raise DataFileError(f"{path} has {frame.height} rows, its {MANIFEST} says {wanted}", GENERATE)
    return frame


def load(session: Session, directory: Path, curtailment: Table, calculations: Table) -> dict[str, int]:
    """Puts the sample in a directory into the two tables, in one transaction; the rows of each, by table name.

    Tables that do not exist are created; one that holds rows is left alone with a UsageError.
    DataFileError when the files are not a whole sample.
    """
    sample = read(directory)
    jobs = (
        (curtailment, sample.curtailment, "sample_curtailment"),
        (calculations, sample.calculations, "sample_calculations"),
    )
    with session.transaction():
        session.execute("select pg_advisory_xact_lock(hashtext('recon sample load'))")
        for table, _, statement in jobs:
            _create_or_check(session, table, statement)
        for table, frame, statement in jobs:
            _fill(session, table, frame, statement)
    return {str(table.name): frame.height for table, frame, _ in jobs}


def _create_or_check(session: Session, table: Table, statement: str) -> None:
    name = table.name.quoted
    if not session.rows("select to_regclass($1) is not null as found", name)[0]["found"]:
        session.execute(sql(statement, kind="", table=name, id="id serial primary key,\n    ", **_columns(table)))
        session.execute(f"create index on {name} ({table.column('settlement_date')})")
    elif session.rows(f"select exists (select from {name}) as filled")[0]["filled"]:
        raise UsageError(
            f"{table.name} already holds rows; a sample is only loaded into empty tables",
            "choose another database, or other names with --curtailment-table and --calculations-table",
        )


def _fill(session: Session, table: Table, frame: pl.DataFrame, statement: str) -> None:
    """By way of a temporary table: binary COPY never casts, and the target may have other types than ours."""
    staging = TableName(f"recon_{statement}")
    renamed = frame.rename(dict(table.columns))
    columns = ", ".join(quote_identifier(name) for name in renamed.columns)
    session.execute(sql(statement, kind="temporary", table=staging.quoted, id="", **_columns(table)))
    session.copy(staging, renamed, temporary=True)
    session.execute(f"insert into {table.name.quoted} ({columns}) select {columns} from pg_temp.{staging.quoted}")
    session.execute(f"drop table pg_temp.{staging.quoted}")
    session.execute(f"analyze {table.name.quoted}")


def _columns(table: Table) -> dict[str, str]:
    return {ours: table.column(ours) for ours, _ in table.columns}
