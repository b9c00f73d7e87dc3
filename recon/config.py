"""Settings: every option parsed once into a frozen value. The only module that reads the environment."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

from recon import address
from recon.errors import UsageError

URL_VARIABLES = ("RECON_DATABASE_URL", "DATABASE_URL")
LIBPQ_VARIABLES = ("PGHOST", "PGSERVICE")
VARIABLES = {"database_url": URL_VARIABLES, "home": ("RECON_HOME",)}
"""The settings that the environment may hold, each with its variables, the first one first."""
FILE_VARIABLE = "RECON_CONFIG"
"""Names a file of settings, which is then read instead of those that are found."""
SIZES = ("COLUMNS", "LINES")
HOMELESS = Path("/nonexistent/recon")
"""The home of a user who has none; as Debian's nobody has it."""
NO_DATABASE_HINT = (
    "pass --database-url postgresql://user@host/db, or set RECON_DATABASE_URL, DATABASE_URL, PGHOST or PGSERVICE; "
    "'recon demo' needs none"
)

CURTAILMENT_COLUMNS = ("settlement_date", "settlement_period", "farm_id", "volume")
CALCULATION_COLUMNS = (
    "settlement_date",
    "settlement_period",
    "farm_id",
    "miner_model",
    "bitcoin_mined",
    "difficulty",
)


class Fleet(StrEnum):
    """How energy becomes machines: `fractional` (any share of a machine) or `whole` machines only."""

    FRACTIONAL = "fractional"
    WHOLE = "whole"


class Order(StrEnum):
    """Which dates are worked on first."""

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


def quote_identifier(name: str) -> str:
    """A name as an SQL identifier, whatever it holds.

    >>> print(quote_identifier('odd "name"; --'))
    "odd ""name""; --"
    """
    if "\0" in name:
        raise UsageError("an identifier cannot hold a NUL byte", "check the table and column names")
    return '"' + name.replace('"', '""') + '"'


@dataclass(frozen=True)
class TableName:
    """A table, with its schema where one is given (else the server's search_path finds it)."""

    name: str
    schema: str | None = None

    @classmethod
    def parse(cls, text: str) -> TableName:
        """`table`, `schema.table`, or either part in double quotes when it holds a dot.

        >>> TableName.parse('power."odd.name"')
        TableName(name='odd.name', schema='power')
        """
        if not re.fullmatch(r'("([^"]|"")+"|[^".]+)(\.("([^"]|"")+"|[^".]+))?', text):
            raise UsageError(f"{text!r} is not a table name", "write table or schema.table")
        parts = [
            p[1:-1].replace('""', '"') if p.startswith('"') else p for p in re.findall(r'"(?:[^"]|"")+"|[^".]+', text)
        ]
        return cls(parts[-1], parts[0] if len(parts) > 1 else None)

    @property
    def quoted(self) -> str:
        """The name as SQL."""
        return ".".join(quote_identifier(part) for part in (self.schema, self.name) if part is not None)

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}" if self.schema else self.name


@dataclass(frozen=True)
class Table:
    """A table and what its columns are called there: `columns` maps our names to the table's."""

    name: TableName
    columns: tuple[tuple[str, str], ...]

    @classmethod
    def parse(cls, name: str, columns: tuple[str, ...], renames: str) -> Table:
        """A table whose columns are called as in the contract, but for `ours=theirs,...`."""
        mapping = dict.fromkeys(columns)
        for pair in filter(None, (p.strip() for p in renames.split(","))):
            ours, _, theirs = pair.partition("=")
            if ours not in mapping or not theirs:
                raise UsageError(
                    f"{pair!r} does not rename a column of {name}",
                    f"write ours=theirs; ours is one of {', '.join(columns)}",
                )
            mapping[ours] = theirs
        return cls(TableName.parse(name), tuple((ours, theirs or ours) for ours, theirs in mapping.items()))

    def column(self, ours: str) -> str:
        """The table's own name for one of our columns, as SQL."""
        return quote_identifier(dict(self.columns)[ours])

    @property
    def relation(self) -> str:
        """SQL that reads the table under our column names (a plain subquery, which the planner flattens)."""
        return f"(select {self._columns} from {self.name.quoted})"

    @property
    def stored_rows(self) -> str:
        """Like `relation`, with what tells one stored row from another: `tableoid`, `ctid` and `xmin`."""
        return f"(select tableoid, ctid, xmin, {self._columns} from {self.name.quoted})"

    @property
    def _columns(self) -> str:
        return ", ".join(f"{quote_identifier(theirs)} as {ours}" for ours, theirs in self.columns)


REPAIRS = ("missing", "stale", "duplicate", "orphan")


def parse_repairs(text: str) -> frozenset[str]:
    """What a run may repair.

    >>> sorted(parse_repairs("missing, stale"))
    ['missing', 'stale']
    """
    kinds = frozenset(part.strip() for part in text.split(",") if part.strip())
    unknown = sorted(kinds - set(REPAIRS))
    if unknown or not kinds:
        named = f"{unknown[0]!r}, which is no repair" if unknown else "nothing"
        raise UsageError(f"--repair names {named}", f"choose from {','.join(REPAIRS)}, separated by commas")
    return kinds


@dataclass(frozen=True)
class ChangeLimit:
    """How many stored rows a run may replace or remove: a number, or a share of the rows in the window."""

    rows: int | None = None
    percent: float | None = 10.0

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


DEFAULT_CURTAILMENT = Table.parse("curtailment_records", CURTAILMENT_COLUMNS, "")
DEFAULT_CALCULATIONS = Table.parse("historical_bitcoin_calculations", CALCULATION_COLUMNS, "")


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


def default_home(environ: Mapping[str, str] | None = None) -> Path:
    """Where the embedded server and downloaded difficulty live: RECON_HOME, else the user's data directory."""
    environ = os.environ if environ is None else environ
    found = variable("home", environ)
    if found:
        return user_path(environ[found], found)
    return users_folder("data") or HOMELESS


def users_folder(kind: Literal["data", "config"]) -> Path | None:
    """Where the user's own files of that kind are; None for a user without a home."""
    import platformdirs

    find = platformdirs.user_data_path if kind == "data" else platformdirs.user_config_path
    try:
        found = find("recon", appauthor=False)
    except RuntimeError:  # newer ones; older ones leave the ~ as it is
        return None
    return found if found.is_absolute() else None


def user_path(text: str | Path, what: str) -> Path:
    """A path with ~ as the user's home; UsageError where nobody knows that."""
    try:
        return Path(os.path.abspath(Path(text).expanduser()))
    except (RuntimeError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"{what} is {str(text)!r}: {reason}", "write the path from its beginning, /") from None


def forget_impossible_sizes(environ: MutableMapping[str, str] | None = None) -> None:
    """Takes sizes of a terminal that cannot be right out of the environment: nobody could draw on it, and libraries
    would fail to in the middle of an answer.

    >>> sizes = {"COLUMNS": "0", "LINES": "24"}
    >>> forget_impossible_sizes(sizes)
    >>> sizes
    {'LINES': '24'}
    """
    environ = os.environ if environ is None else environ
    for name in SIZES:
        if name in environ and not re.fullmatch(r"[1-9]\d{0,3}", environ[name], re.ASCII):
            del environ[name]


def variable(setting: str, environ: Mapping[str, str]) -> str | None:
    """The variable of the environment that says what a setting is, if one does.

    >>> variable("database_url", {"RECON_DATABASE_URL": "", "DATABASE_URL": "postgresql://h"})
    'DATABASE_URL'
    """
    return next((name for name in VARIABLES.get(setting, ()) if environ.get(name)), None)


def find_database_url(given: str | None, environ: Mapping[str, str] | None = None) -> str:
    """The libpq connection string to use: the option, else the environment; UsageError when there is none.

    An empty string means libpq's own PG* variables. `embedded` is passed on as it is.
    """
    env = os.environ if environ is None else environ
    text = _given_url(given, env)
    if text:
        return address.normalize_url(text)
    if any(env.get(name) for name in LIBPQ_VARIABLES):
        return "postgresql://"
    raise UsageError("no database is named", NO_DATABASE_HINT, code="no_database")


def find_search_path(given: str | None, environ: Mapping[str, str] | None = None) -> str | None:
    """The search path that the connection string of `find_database_url` sets, if it does."""
    text = _given_url(given, os.environ if environ is None else environ)
    return address.search_path(text) if text else None


def _given_url(given: str | None, environ: Mapping[str, str]) -> str | None:
    return given or environ.get(variable("database_url", environ) or "")


def parse_settings(given: Mapping[str, Any], *, database: bool) -> Settings:
    """The common options, by the names they have in `recon --help`, as Settings; None is "not given".

    UsageError for whatever cannot be right, before any connection.
    """
    seconds = {f"{name}_s": given[f"{name}_timeout"] for name in ("connect", "statement", "lock", "idle")}
    kept = {field.name for field in fields(Settings)} & given.keys() - {"database_url", "synchronous_commit", "home"}
    return Settings(
        **{name: given[name] for name in kept if given[name] is not None},
        database_url=find_database_url(given["database_url"]) if database else "",
        search_path=find_search_path(given["database_url"]) if database else None,
        curtailment=Table.parse(
            given["curtailment_table"] or "curtailment_records",
            CURTAILMENT_COLUMNS,
            given["curtailment_columns"] or "",
        ),
        calculations=Table.parse(
            given["calculations_table"] or "historical_bitcoin_calculations",
            CALCULATION_COLUMNS,
            given["calculations_columns"] or "",
        ),
        miners_file=given["miners"],
        difficulty_file=given["difficulty"],
        subsidy_file=given["subsidy"],
        timeouts=Timeouts(**{name: value for name, value in seconds.items() if value is not None}),
        synchronous_commit=_on_or_off("--synchronous-commit", given["synchronous_commit"]),
        home=given.get("home") or default_home(os.environ),
    )


def _on_or_off(option: str, text: str | None) -> bool:
    if text not in (None, "on", "off"):
        raise UsageError(f"{option} is {text!r}", "it is 'on' or 'off'")
    return text == "on"


def server_address(text: str, environ: Mapping[str, str] | None = None) -> tuple[str, int] | None:
    """`address.server_address`, with libpq's own variables."""
    return address.server_address(text, os.environ if environ is None else environ)


def libpq_parameters(text: str, environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """`address.parameters`, with libpq's own variables."""
    return address.parameters(text, os.environ if environ is None else environ)
