"""The directory of an export: one Hive partition per month, each file whole or not there, and the manifest."""

from __future__ import annotations

import csv
import fcntl
import hashlib
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from recon.core.errors import DataFileError, IncompleteError, UsageError
from recon.core.files import HALF_WRITTEN, replace_text, replacing
from recon.core.settings import ExportFormat
from recon.export.manifest import Manifest
from recon.export.slices import columns

MANIFEST = "_manifest.json"
"""Begins with `_`, as what readers of a partitioned directory are to leave alone."""
MOST_HELD_KEYS = 200_000
"""A file of so many takes 40 MB of memory."""
WANTED = "name a directory that 'recon export' wrote"


@dataclass(frozen=True)
class Target:
    """The directory of an export, and how its files are written."""

    directory: Path
    form: ExportFormat

    def path(self, month: str) -> Path:
        """A month's file."""
        return self.directory / part_name(month, self.form)


@dataclass(frozen=True)
class Part:
    """A file as it was written."""

    rows: int
    size: int
    sha256: str


def part_name(month: str, form: str) -> str:
    """Where a month's rows are, within the directory."""
    return f"month={month}/part-0.{form}"


def month_of(file: str, form: str) -> str:
    """The month among whose rows a reader finds those of a file; '' when it does not read it.

    >>> month_of("month=2024-03/part-0.csv", "csv"), month_of("notes.txt", "csv")
    ('2024-03', '')
    """
    named = re.fullmatch(rf"month=(\d{{4}}-\d\d)/[^/]+\.{form}", file)
    return named[1] if named else ""


@contextmanager
def sole_use(directory: Path) -> Iterator[None]:
    """The directory, made if need be, for this export alone; without what a killed one left half written.

    UsageError when it cannot be written to or holds other things, IncompleteError while another export is at work.
    """
    with _errors(directory):
        directory.mkdir(parents=True, exist_ok=True)
        handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with _errors(directory):
            _lock(handle, directory)
            for left in [*directory.glob(f"{HALF_WRITTEN}*"), *directory.glob(f"month=*/{HALF_WRITTEN}*")]:
                shutil.rmtree(left)
        if not (directory / MANIFEST).exists() and found(directory):
            raise UsageError(f"{directory} holds other files than an export", "name a new directory with --out")
        yield
    finally:
        os.close(handle)


def _lock(handle: int, directory: Path) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise IncompleteError(f"another export is writing to {directory}", "let it finish", code="busy") from None


def found(directory: Path) -> list[str]:
    """Every file below the directory that a reader may come upon, but the manifest, in order."""
    paths = (path.relative_to(directory) for path in directory.rglob("*") if not path.is_dir())
    seen = (path for path in paths if not any(part.startswith(".") for part in path.parts))
    return sorted(path.as_posix() for path in seen if path.as_posix() != MANIFEST)


def read_manifest(directory: Path) -> Manifest:
    """The manifest of an export; DataFileError when there is none."""
    path = directory / MANIFEST
    try:
        return Manifest.from_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataFileError(f"{directory} holds no export: {path.name}: {error.strerror}", WANTED) from None
    except ValueError as error:
        raise DataFileError(f"{path} cannot be relied on: {error}", "export anew, to a new directory") from None


def write_manifest(directory: Path, manifest: Manifest) -> None:
    """Takes the former one's place."""
    with _errors(directory / MANIFEST):
        replace_text(directory / MANIFEST, manifest.to_json())


def write_part(target: Target, month: str, models: Sequence[str], frames: Iterable[pl.DataFrame]) -> Part:
    """A month's file in the place of the former one. frames: slices, one in memory at a time."""
    path = target.path(month)
    write = _write_parquet if target.form == ExportFormat.PARQUET else _write_csv
    with _errors(path):
        path.parent.mkdir(exist_ok=True)
        with replacing(path) as part:
            rows = write(part, pl.DataFrame(schema=columns(models)), frames)
            return Part(rows, *fingerprint(part))


def _write_parquet(path: Path, nothing: pl.DataFrame, frames: Iterable[pl.DataFrame]) -> int:
    rows = 0
    with pq.ParquetWriter(path, _arrow(nothing).schema, compression="zstd") as writer:
        for frame in frames:
            writer.write_table(_arrow(frame))
            rows += frame.height
    return rows


def _arrow(frame: pl.DataFrame) -> pa.Table:
    """The frame with types that every reader of Parquet knows."""
    return frame.to_arrow(compat_level=pl.CompatLevel.oldest())


def _write_csv(path: Path, nothing: pl.DataFrame, frames: Iterable[pl.DataFrame]) -> int:
    rows = 0
    with path.open("wb") as file:
        nothing.write_csv(file, quote_style="non_numeric")
        for frame in frames:
            frame.write_csv(file, include_header=False, quote_style="non_numeric")
            rows += frame.height
    return rows


def remove_part(target: Target, month: str) -> None:
    """The month has no data any more."""
    path = target.path(month)
    with _errors(path):
        path.unlink(missing_ok=True)
        if not any(path.parent.iterdir()):
            path.parent.rmdir()


def fingerprint(path: Path) -> tuple[int, str]:
    """Bytes, and their SHA-256."""
    with path.open("rb") as file:
        return path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest()


def read_part(path: Path, form: str, models: Sequence[str]) -> pl.LazyFrame:
    """A slice from its file; DataFileError when it cannot be read, or (`code` columns) is no slice of these models.

    A large file is not held in memory: it has been read to its end once, and is read again when the frame is collected.
    """
    try:
        scanned = (
            pl.scan_parquet(path, hive_partitioning=False, glob=False)
            if form == ExportFormat.PARQUET
            else _scan_csv(path, models)
        )
        schema = scanned.collect_schema()
        if schema != pl.Schema(columns(models)):
            raise _other_columns(schema.names())
        if scanned.select(pl.len()).collect().item() <= MOST_HELD_KEYS:
            return scanned.collect().lazy()
        scanned.select(pl.all().null_count()).collect(engine="streaming")
    except (OSError, ValueError, pl.exceptions.PolarsError) as error:
        raise DataFileError(str(error).partition("\n")[0], WANTED) from None
    return scanned


def _other_columns(names: Sequence[str]) -> DataFileError:
    return DataFileError(f"its columns are others: {', '.join(names)}", WANTED, code="columns")


def _scan_csv(path: Path, models: Sequence[str]) -> pl.LazyFrame:
    with path.open(encoding="utf-8", newline="") as file:  # Polars leaves doubled quotes in a header as they are
        names = next(csv.reader(file), [])
    wanted = columns(models)
    if names != list(wanted):
        raise _other_columns(names)
    return pl.scan_csv(path, has_header=False, skip_lines=1, schema=wanted, raise_if_empty=False, glob=False)


@contextmanager
def _errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        why: Any = error.strerror or error
        raise UsageError(
            f"{path} cannot be written: {why}", "make room, or name another directory with --out"
        ) from None
