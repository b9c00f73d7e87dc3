"""Settings: every option parsed once into a frozen value, and what holds where an option is not given."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from recon.core.errors import UsageError
from recon.core.names import DEFAULT_CALCULATIONS, DEFAULT_CURTAILMENT, Table

DEFAULT_BATCH_DATES = 400
DEFAULT_WORKERS = 2
DEFAULT_REPAIR = "missing"
DEFAULT_PERCENT = 10.0
DEFAULT_LIMIT = f"{DEFAULT_PERCENT:g}%"
DEFAULT_ATOL_BTC = 1e-8
DEFAULT_RTOL = 1e-6
"""Values agree within so many BTC, and this share of the right value."""
MAX_FARM_MW = 1500.0
"""No wind farm delivers more: the largest in Great Britain (Hornsea 2, Moray and Seagreen) have 900 to 1,400 MW, and
most of them are several BM units."""


class Fleet(StrEnum):
    """How energy becomes machines: `fractional` (any share of a machine) or `whole` machines only."""

    FRACTIONAL = "fractional"
    WHOLE = "whole"

    @property
    def needs_whole_periods(self) -> bool:
        """Whether a key cannot be priced without the others of its settlement period: machines are floored over all."""
        return self is Fleet.WHOLE


class Order(StrEnum):
    """Which dates are worked on first: an index takes rows a fifth quicker in its own order, the oldest first."""

    NEWEST = "newest"
    OLDEST = "oldest"


class Reader(StrEnum):
    """Which driver carries large read-only scans."""

    ADBC = "adbc"
    CONNECTORX = "connectorx"


class ExportFormat(StrEnum):
    """How the files of an export are written; also their suffix."""

    PARQUET = "parquet"
    CSV = "csv"


class EngineName(StrEnum):
    """Who works on chunks: threads of this process, or a Dask cluster."""

    LOCAL = "local"
    DASK = "dask"


class LogFormat(StrEnum):
    """How log lines are written."""

    TEXT = "text"
    JSON = "json"


REPAIRS = ("missing", "wrong", "duplicate", "orphan")
OLD_NAMES = {"stale": "wrong"}
"""How earlier versions name a repair, and how the plans say it that they stored."""


def parse_repairs(text: str) -> frozenset[str]:
    """What a run may repair.

    >>> sorted(parse_repairs("missing, wrong"))
    ['missing', 'wrong']
    """
    named = (part.strip() for part in text.split(",") if part.strip())
    kinds = frozenset(OLD_NAMES.get(name, name) for name in named)
    unknown = sorted(kinds - set(REPAIRS))
    if unknown or not kinds:
        what = f"{unknown[0]!r}, which is no repair" if unknown else "nothing"
        raise UsageError(f"--repair names {what}", f"choose from {','.join(REPAIRS)}, separated by commas")
    return kinds


@dataclass(frozen=True)
class ChangeLimit:
    """How many stored rows a run may replace or remove: a number, or a share of the rows in the window."""

    rows: int | None = None
    percent: float | None = DEFAULT_PERCENT

    @classmethod
    def parse(cls, text: str) -> ChangeLimit:
        """`500`, or `10%`."""
        found = re.fullmatch(r"(\d+)|(\d+(?:\.\d+)?)\s*%", text.strip())
        if not found:
            raise UsageError(f"--max-changes is {text!r}", "give a number of rows, or a share as in 10%")
        return cls(int(found[1]), None) if found[1] else cls(None, float(found[2]))

    def allows(self, changes: int, stored: int) -> bool:
        """Whether so many of the stored rows may change."""
        return changes <= self.most(stored)

    def most(self, stored: int) -> int:
        """How many of the stored rows may change."""
        return self.rows if self.rows is not None else int(stored * (self.percent or 0) / 100)

    def __str__(self) -> str:
        return str(self.rows) if self.rows is not None else f"{self.percent:g}%"


AUTO = 0
MOST_WORKERS = 64
MOST_CONNECTIONS = 9999


def parse_workers(text: str, option: str = "--workers", most: int = MOST_WORKERS) -> int:
    """How many connections work side by side; AUTO for as many as the machine and the server allow.

    >>> parse_workers("4"), parse_workers("auto") == AUTO
    (4, True)
    """
    if text == "auto":
        return AUTO
    if not re.fullmatch(r"\d{1,4}", text, re.ASCII) or not 1 <= int(text) <= most:
        raise UsageError(f"{option} is {text!r}", f"give a number from 1 to {most}, or auto")
    return int(text)


@dataclass(frozen=True)
class Timeouts:
    """How long each kind of wait may take, in seconds; the server enforces all but `connect_s`.

    None keeps the limit that an administrator gave the role or the database, else recon's default
    (120 s a statement, 30 s for a lock, 60 s idle in a transaction; see `recon.transactions`).
    """

    connect_s: float = 10
    statement_s: float | None = None
    lock_s: float | None = None
    idle_s: float | None = None

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value is not None and not 0 < value <= 86_400:
                option = name.removesuffix("_s")
                raise UsageError(f"--{option}-timeout is {value:g}", "give seconds, above 0 and up to 86400")


@dataclass(frozen=True)
class Settings:
    """What every command needs to know about its database, tables, reference data and output.

    read_only: whatever a session of these settings does, it does in read-only transactions.
    search_path: where the URL sets one, as SQL (a list of schemas); else it is the role's own.
    """

    database_url: str = field(default="", repr=False)
    search_path: str | None = None
    read_only: bool = False
    curtailment: Table = DEFAULT_CURTAILMENT
    calculations: Table = DEFAULT_CALCULATIONS
    fleet: Fleet = Fleet.FRACTIONAL
    miners_file: Path | None = None
    difficulty_file: Path | None = None
    subsidy_file: Path | None = None
    timeouts: Timeouts = Timeouts()
    reader: Reader = Reader.ADBC
    synchronous_commit: bool = False
    home: Path = Path()
    json: bool = False
    quiet: bool = False
    verbose: bool = False
    profile: bool = False
    log_file: Path | None = None
    log_format: LogFormat = LogFormat.TEXT
