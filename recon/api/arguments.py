"""The arguments that all functions of the library take, what they mean, and what becomes of them."""

from __future__ import annotations

import inspect
import secrets
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import date
from functools import wraps
from pathlib import Path
from typing import Any, Literal, ParamSpec, TypedDict, TypeVar, cast, get_type_hints

from recon.api.progress import Bar, Progress
from recon.core.address import EMBEDDED
from recon.core.environment import parse_settings
from recon.core.errors import UsageError
from recon.core.settings import DEFAULT_ATOL_BTC as DEFAULT_ATOL_BTC
from recon.core.settings import DEFAULT_RTOL as DEFAULT_RTOL
from recon.core.settings import DEFAULT_WORKERS as DEFAULT_WORKERS
from recon.core.settings import MAX_FARM_MW as MAX_FARM_MW
from recon.core.settings import ExportFormat as ExportFormat
from recon.core.settings import Fleet, Reader, parse_workers
from recon.core.window import Window
from recon.core.wording import would_change
from recon.postgres.embedded import lifecycle
from recon.postgres.interruption import interruptible
from recon.reconcile.request import Job, ValueCheck
from recon.reference import reference
from recon.values.tolerance import Tolerance

P = ParamSpec("P")
T = TypeVar("T")
Day = date | str
"""A settlement date, or its ISO form."""
Workers = int | Literal["auto"]
"""Connections at work at the same time, 1 to 64; "auto": as many as the machine and the server allow."""


class Options(TypedDict, total=False):
    """What every function takes besides its own arguments: the program's common options, under their names."""

    database_url: str | None
    connect_timeout: float | None
    statement_timeout: float | None
    lock_timeout: float | None
    idle_timeout: float | None
    reader: Literal["adbc", "connectorx"] | None
    synchronous_commit: Literal["on", "off"] | None
    curtailment_table: str | None
    curtailment_columns: str | None
    calculations_table: str | None
    calculations_columns: str | None
    fleet: Literal["fractional", "whole"] | None
    miners: str | Path | None
    difficulty: str | Path | None
    subsidy: str | Path | None


class WindowOptions(Options, total=False):
    """The same and, of a function that looks at a window of settlement dates, the command's own words for its ends, and
    how far it is.
    """

    from_: Day | None
    to: Day | None
    progress: Progress


OF_A_WINDOW = WindowOptions.__annotations__.keys() - Options.__annotations__.keys()


MEANINGS = {
    "first, last": "the first and the last settlement date that are looked at, both included: a `date` or\n"
    '"2024-04-20". None: no end on that side. `from_` and `to` mean the same.',
    "values": "whether every stored value is compared with what it should be.",
    "atol, rtol": "values agree that differ by at most `atol` BTC plus the share `rtol` of the right value.",
    "workers": 'connections at work at the same time, 1 to 64; "auto": as many as machine and server allow.',
    "deep": "whether every key is compared, also on dates whose checksums agree.",
    "repair": "what is repaired, with commas between: missing, wrong (values), duplicate, orphan. All but\n"
    "missing change or remove stored rows.",
    "order": 'which dates are worked on first: "oldest" or "newest".',
    "progress": "None: a bar in a notebook, nothing elsewhere. True: a bar in a notebook, a line on stderr elsewhere.\n"
    "False: nothing. A function: it is called with the steps done and all of them.",
}
"""What an argument means, of those that several functions take."""
COMMON = """
Common options, which all functions take:

database_url: a URL of libpq, or "embedded". None: from the environment (RECON_DATABASE_URL, DATABASE_URL, or
    libpq's variables). A recon.toml is the program's; the library reads none.
connect_timeout, statement_timeout, lock_timeout, idle_timeout: seconds, above 0 and up to 86400. None: 10 s to
    connect; otherwise the role's limits, or 120 s a statement, 30 s for a lock, 60 s idle in a transaction.
reader: which driver carries large scans, "adbc" or "connectorx".
synchronous_commit: "on" or "off", the server's own setting for what is written.
curtailment_table, calculations_table: "table" or "schema.table".
curtailment_columns, calculations_columns: columns with other names, as in "volume=mwh,farm_id=bmu".
fleet: "fractional" (any share of a machine, the default) or "whole" (whole machines).
miners, difficulty, subsidy: files to use instead of the packaged figures.

Raises ReconError and its kinds; see help(recon.ReconError).
"""
PARSED: dict[str, Callable[[Any], Any]] = {
    "reader": Reader,
    "fleet": Fleet,
    "miners": Path,
    "difficulty": Path,
    "subsidy": Path,
}


def public(function: Callable[P, T]) -> Callable[P, T]:
    """A function of the library: Ctrl-C ends it, its signature has every argument by name, which is what notebooks
    complete, and its docstring says what each one means.
    """
    own = [p for p in inspect.signature(function).parameters.values() if p.kind is not p.VAR_KEYWORD]
    common = get_type_hints(function)["options"].__args__[0].__annotations__
    more = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None) for name in common]
    signature = inspect.Signature([*(p.replace(annotation=p.empty) for p in own), *more])
    waited_for = interruptible(function)

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        if unknown := kwargs.keys() - signature.parameters.keys():
            raise TypeError(f"{function.__name__}() got an unexpected keyword argument {min(unknown)!r}")
        return waited_for(*args, **kwargs)

    call.__signature__ = signature  # type: ignore[attr-defined]
    call.__doc__ = "\n".join([inspect.getdoc(function) or "", *_meanings({*signature.parameters}), COMMON])
    return call


def _meanings(names: set[str]) -> list[str]:
    """What the arguments mean that several functions take, of a function that takes these."""
    lines = [f"{some}: {text}" for some, text in MEANINGS.items() if {*some.split(", ")} <= names]
    return ["", *(line.replace("\n", "\n    ") for line in lines)] if lines else []


@dataclass(frozen=True)
class Call:
    """One call of a function: the job, the window that it is about, and who is told how far it is."""

    job: Job
    window: Window
    bar: Bar

    def check(self, atol: float, rtol: float, workers: Workers, *, deep: bool = False) -> ValueCheck:
        """How stored values are compared, where they are. deep: row by row on every date."""
        return ValueCheck(Tolerance(atol, rtol), parse_workers(str(workers)), self.bar.step, deep=deep)

    def consent(self, yes: bool) -> Callable[[int], None]:
        """What is called before stored rows change: UsageError where nobody agreed."""

        def ask(rows: int) -> None:
            if not yes:
                raise UsageError(would_change(rows), "look at them with recon.plan, then give yes=True", code="consent")

        return ask


@contextmanager
def called(
    command: str,
    options: Options | WindowOptions,
    first: Day | None = None,
    last: Day | None = None,
    *,
    database: bool = True,
    read_only: bool = True,
) -> Iterator[Call]:
    """While a call goes on. UsageError for arguments that cannot be right, before any connection."""
    given = cast(WindowOptions, options)
    window = Window.parse(_end("first", first, "from_", given), _end("last", last, "to", given))
    bar = Bar(given.get("progress"))
    common = {name: value for name, value in options.items() if name not in OF_A_WINDOW}
    job = _job(command, common, database, read_only)
    with closing(bar):
        yield Call(job, window, bar)


def _end(name: str, given: Day | None, alias: Literal["from_", "to"], options: WindowOptions) -> str | None:
    """One end of a window, by either of its names."""
    ends = {str(day) for day in (given, options.get(alias)) if day is not None}
    if len(ends) > 1:
        said = f"{name} is {given} and {alias} is {options.get(alias)}"
        raise UsageError(said, f"they mean the same: give {name} only")
    return ends.pop() if ends else None


def _job(command: str, options: dict[str, Any], database: bool, read_only: bool) -> Job:
    given = dict.fromkeys(Options.__annotations__) | options
    parsed = {name: choice(PARSED[name], name, given[name]) for name in PARSED if given[name] is not None}
    settings = replace(parse_settings(given | parsed, database=database), read_only=read_only)
    if settings.database_url == EMBEDDED:
        settings = replace(settings, database_url=lifecycle.start(settings.home, new=False))
    files = (settings.miners_file, settings.difficulty_file, settings.subsidy_file)
    return Job(secrets.token_hex(4), command, settings, reference.load(*files, settings.home))


def choice(kind: Callable[[Any], Any], name: str, given: object) -> Any:
    """One of the values of an argument that takes only these; UsageError otherwise."""
    try:
        return kind(given)
    except ValueError:
        raise UsageError(f"{name} is {given!r}", f"choose from {', '.join(map(str, cast(Any, kind)))}") from None
