"""A sample on disk: two Parquet files and the manifest that describes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
from polars.exceptions import PolarsError

from recon.core.errors import DataFileError, UsageError
from recon.core.files import HALF_WRITTEN, replace_text, replacing

CURTAILMENT_FILE = "curtailment_records.parquet"
CALCULATIONS_FILE = "historical_bitcoin_calculations.parquet"
MANIFEST_FILE = "sample.json"
OURS = {CURTAILMENT_FILE, CALCULATIONS_FILE, MANIFEST_FILE}
GENERATE = "write it with 'recon sample generate --out DIR'"

Manifest = dict[str, Any]


def check_free(directory: Path, *, force: bool = False) -> None:
    """UsageError when the directory holds something else than a sample; `force` lets other files stay next to it."""
    if not directory.exists():
        return
    if not directory.is_dir():
        raise UsageError(f"{directory} is not a directory", "choose another --out")
    found = sorted(path.name for path in directory.iterdir())
    others = [name for name in found if name not in OURS and not name.startswith(HALF_WRITTEN)]
    if others and MANIFEST_FILE not in found and not force:
        raise UsageError(
            f"{directory} holds other files and no sample ({len(others)} of them, as {others[0]})",
            "choose another --out",
        )


def write(directory: Path, curtailment: pl.DataFrame, calculations: pl.DataFrame, manifest: Manifest) -> None:
    """Writes the three files, each whole or not at all; the manifest last, so that with it a sample is complete."""
    text = json.dumps(manifest, indent=2) + "\n"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        (directory / MANIFEST_FILE).unlink(missing_ok=True)
        for name, frame in ((CURTAILMENT_FILE, curtailment), (CALCULATIONS_FILE, calculations)):
            with replacing(directory / name) as part:
                frame.write_parquet(part, compression="zstd")
        replace_text(directory / MANIFEST_FILE, text)
    except OSError as error:
        raise UsageError(f"cannot write to {directory}: {error.strerror or error}", "choose another --out") from None


def read_manifest(directory: Path) -> Manifest:
    """What the directory's sample is; DataFileError when it holds none."""
    path = directory / MANIFEST_FILE
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise DataFileError(f"{directory} holds no sample: it has no {MANIFEST_FILE}", GENERATE) from None
    except (OSError, ValueError) as error:
        raise DataFileError(f"{path} cannot be read: {error}", GENERATE) from None
    if not isinstance(manifest, dict) or not {"curtailment_rows", "calculation_rows"} <= manifest.keys():
        raise DataFileError(f"{path} is not the manifest of a sample", GENERATE)
    return manifest


def read(directory: Path) -> tuple[pl.DataFrame, pl.DataFrame, Manifest]:
    """Curtailment, calculations and manifest; DataFileError when one is absent, damaged or not what it should be."""
    manifest = read_manifest(directory)
    curtailment = _frame(directory / CURTAILMENT_FILE, manifest["curtailment_rows"])
    return curtailment, _frame(directory / CALCULATIONS_FILE, manifest["calculation_rows"]), manifest


def _frame(path: Path, rows: int) -> pl.DataFrame:
    try:
        frame = pl.read_parquet(path)
    except (OSError, PolarsError) as error:
        raise DataFileError(f"{path} cannot be read: {str(error).splitlines()[0]}", GENERATE) from None
    if frame.height != rows:
        raise DataFileError(f"{path} has {frame.height} rows, its {MANIFEST_FILE} says {rows}", GENERATE)
    return frame
