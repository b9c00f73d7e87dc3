"""The results as a file: one line per case, scale and contender, with what they were measured on."""

from __future__ import annotations

import csv
import platform
import subprocess
import sys
from collections.abc import Iterable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks.data import ROOT
from recon.core.environment import processors

COLUMNS = (
    "case",
    "scale",
    "contender",
    "dates",
    "keys",
    "rows",
    "rounds",
    "seconds",
    "seconds_min",
    "seconds_max",
    "rows_per_second",
    "ratio_to_sql",
    "ratio_to_limit",
    "peak_mb",
    "bytes_from_server",
    "bytes_to_server",
    "note",
    "commit",
    "cores",
    "versions",
)
Line = dict[str, str]
"""One line of the file."""
PACKAGES = (
    "polars",
    "adbc-driver-postgresql",
    "pyarrow",
    "typer",
    "duckdb",
    "pandas",
    "sqlalchemy",
    "psycopg",
    "fastrecon",
)


def circumstances(server_version: str) -> dict[str, Any]:
    """What every line says of this machine and this code."""
    found = {"python": platform.python_version(), "postgresql": server_version}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "none"
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=10"], cwd=ROOT, capture_output=True, text=True
    )
    versions = "; ".join(f"{name} {number}" for name, number in found.items())
    return {"commit": commit.stdout.strip(), "cores": processors(), "versions": f"{sys.platform}; {versions}"}


def write(path: Path, rows: Iterable[dict[str, Any]], columns: Sequence[str] = COLUMNS) -> None:
    """Writes a file of results anew."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def as_lines(rows: Iterable[dict[str, Any]]) -> list[Line]:
    """Rows as the file would have them."""
    return [{name: str(row.get(name, "")) for name in COLUMNS} for row in rows]


def read(path: Path) -> list[Line]:
    """The lines of the file, everything as text."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
