"""The environment, read in one place: connection, home and the common options become Settings."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, MutableMapping
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal

from recon.core import address
from recon.core.errors import UsageError
from recon.core.names import CALCULATION_COLUMNS, CURTAILMENT_COLUMNS, Table
from recon.core.settings import Settings, Timeouts

URL_VARIABLES = ("RECON_DATABASE_URL", "DATABASE_URL")
LIBPQ_VARIABLES = ("PGHOST", "PGSERVICE")
VARIABLES = {"database_url": URL_VARIABLES, "home": ("RECON_HOME",)}
"""The settings that the environment may hold, each with its variables, the first one first."""
FILE_VARIABLE = "RECON_CONFIG"
"""Names a file of settings, which is then read instead of those that are found."""
SIZES = ("COLUMNS", "LINES")
POLARS_THREADS = "POLARS_MAX_THREADS"
MOST_THREADS = 4
"""Frames of some ten thousand rows give no more of them anything to do."""
HOMELESS = Path("/nonexistent/recon")
"""The home of a user who has none, as that of Debian's user nobody."""
NO_DATABASE_HINT = (
    "pass --database-url postgresql://user@host/db, or set RECON_DATABASE_URL, DATABASE_URL, PGHOST or PGSERVICE; "
    "'recon demo' needs none"
)


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
    """A path with ~ as the user's home; UsageError where that is not known."""
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


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def share_processors(environ: MutableMapping[str, str] | None = None) -> None:
    """Has Polars, which is not loaded yet, leave half of the processors to the server and to our own threads, unless
    somebody says how many it is to use.
    """
    environ = os.environ if environ is None else environ
    environ.setdefault(POLARS_THREADS, str(max(1, min(processors() // 2, MOST_THREADS))))


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
