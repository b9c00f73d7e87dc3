"""recon as a library: what the commands of the same names do, as functions that return frozen reports.

Every report has `.to_dict()`, which is the command's `--json` document, `.to_frame()`, its rows as a Polars frame, and
`.exit_code`, what the command would end with. Nothing is printed or logged, no signal handler is installed, the process
is never ended, and every call opens and closes connections of its own: any thread may call. Ctrl-C ends a call of the
main thread within two seconds: what was in hand is rolled back, KeyboardInterrupt is raised, and the next call works.

What goes wrong is a ReconError with `message`, `hint`, `code` and `exit_code`:

2   UsageError, DataFileError   an argument, a setting or a file that cannot be right
2   SchemaError, LedgerError    tables or a ledger that do not fit
3   DatabaseError, and among them ConnectError and PermissionDenied
4   IncompleteError             another run or export is in the way

Differences are no errors: they are in the report.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, Literal, TypedDict, Unpack, cast

from recon.core.address import EMBEDDED
from recon.core.environment import parse_settings
from recon.core.errors import UsageError
from recon.core.settings import (
    DEFAULT_ATOL_BTC,
    DEFAULT_BATCH_DATES,
    DEFAULT_LIMIT,
    DEFAULT_REPAIR,
    DEFAULT_RTOL,
    DEFAULT_WORKERS,
    ChangeLimit,
    Fleet,
    Order,
    Reader,
    parse_repairs,
    parse_workers,
)
from recon.core.window import Window, parse_date
from recon.core.wording import would_change
from recon.export import check as export_check
from recon.postgres.embedded import lifecycle
from recon.postgres.interruption import interruptible
from recon.reconcile import fix as reconcile_fix
from recon.reconcile import proof, survey, watcher
from recon.reconcile.planned_changes import agreed
from recon.reconcile.proof import Proof
from recon.reconcile.report import FixReport
from recon.reconcile.request import FixRequest, Job, ValueCheck
from recon.reconcile.status import Status
from recon.reference import reference
from recon.values import explanation
from recon.values.explanation import Explanation
from recon.values.policy import RepairPolicy
from recon.values.tolerance import Tolerance

__all__ = ["Explanation", "FixReport", "Options", "Proof", "Status", "explain", "fix", "plan", "status", "verify"]

Day = date | str
"""A settlement date, or its ISO form."""
Workers = int | Literal["auto"]


class Options(TypedDict, total=False):
    """What every function takes besides its own arguments: the program's common options, under their names.

    Without database_url it is found in the environment: RECON_DATABASE_URL, DATABASE_URL, or libpq's variables. A
    recon.toml is the program's; the library reads none.
    """

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


PARSED: dict[str, Callable[[Any], Any]] = {
    "reader": Reader,
    "fleet": Fleet,
    "miners": Path,
    "difficulty": Path,
    "subsidy": Path,
}


@interruptible
def status(
    *,
    first: Day | None = None,
    last: Day | None = None,
    deep: bool = False,
    values: bool = False,
    atol: float = DEFAULT_ATOL_BTC,
    rtol: float = DEFAULT_RTOL,
    workers: Workers = DEFAULT_WORKERS,
    from_export: str | Path | None = None,
    **options: Unpack[Options],
) -> Status:
    """How far the tables agree, key by key; with `values`, also whether every stored value is right.

    from_export: the directory of an export to look at instead; no database is asked. `.dates`, `.incomplete` and
    `.months` are frames, with a column `wrong` that is null without `values`.
    """
    window, check = (
        _window(first, last),
        ValueCheck(Tolerance(atol, rtol), parse_workers(str(workers)), deep=deep),
    )
    asked = _asked("status", options, database=from_export is None)
    if from_export is not None:
        return export_check.status(Path(from_export), asked, window, check)
    return survey.status(asked, window, comparison=survey.KeyComparison(deep), check=check if values else None)


@interruptible
def plan(
    *,
    first: Day | None = None,
    last: Day | None = None,
    order: Literal["newest", "oldest"] = "oldest",
    repair: str = DEFAULT_REPAIR,
    atol: float = DEFAULT_ATOL_BTC,
    rtol: float = DEFAULT_RTOL,
    workers: Workers = DEFAULT_WORKERS,
    **options: Unpack[Options],
) -> FixReport:
    """What `fix` would do, as `recon fix --dry-run`: nothing is written."""
    request = FixRequest(
        _window(first, last),
        RepairPolicy(parse_repairs(repair), Tolerance(atol, rtol)),
        workers=parse_workers(str(workers)),
        order=_choice(Order, "order", order),
        dry_run=True,
    )
    return reconcile_fix.fix(_asked("fix", options), request, watcher=watcher.Watcher())


@interruptible
def fix(
    *,
    first: Day | None = None,
    last: Day | None = None,
    batch_size: int = DEFAULT_BATCH_DATES,
    workers: Workers = DEFAULT_WORKERS,
    order: Literal["newest", "oldest"] = "oldest",
    repair: str = DEFAULT_REPAIR,
    yes: bool = False,
    max_changes: str = DEFAULT_LIMIT,
    atol: float = DEFAULT_ATOL_BTC,
    rtol: float = DEFAULT_RTOL,
    **options: Unpack[Options],
) -> FixReport:
    """Fills every gap of the window; with `repair` ("missing,wrong,duplicate,orphan") more, as `recon fix`.

    Repairs that change or remove stored rows need `yes`; look at `plan` first.
    """
    request = FixRequest(
        _window(first, last),
        RepairPolicy(parse_repairs(repair), Tolerance(atol, rtol)),
        ChangeLimit.parse(max_changes),
        batch_size,
        parse_workers(str(workers)),
        _choice(Order, "order", order),
    )
    job = _asked("fix", options, read_only=False)
    return reconcile_fix.fix(job, request, watcher=watcher.Watcher(), confirm=agreed if yes else _not_agreed)


@interruptible
def explain(day: Day, period: int, farm: str, **options: Unpack[Options]) -> Explanation:
    """The arithmetic of one key, and what is stored for it."""
    parsed = parse_date(str(day))
    asked = _asked("explain", options)
    return explanation.explain(asked.settings, asked.reference, parsed, period, farm, name=asked.name)


@interruptible
def verify(*, first: Day | None = None, last: Day | None = None, **options: Unpack[Options]) -> Proof:
    """The proof of a window: exact sums and checksums per date, equal when the data are."""
    window = _window(first, last)
    return proof.prove(_asked("verify", options), window)


def _asked(command: str, options: Options, *, database: bool = True, read_only: bool = True) -> Job:
    given = dict.fromkeys(Options.__annotations__) | cast(dict[str, Any], options)
    if unknown := options.keys() - Options.__annotations__:
        raise TypeError(f"{command}() got an unexpected keyword argument {min(unknown)!r}")
    parsed = {name: _choice(PARSED[name], name, given[name]) for name in PARSED if given[name] is not None}
    settings = replace(parse_settings(given | parsed, database=database), read_only=read_only)
    if settings.database_url == EMBEDDED:
        settings = replace(settings, database_url=lifecycle.start(settings.home, new=False))
    files = (settings.miners_file, settings.difficulty_file, settings.subsidy_file)
    return Job(secrets.token_hex(4), command, settings, reference.load(*files, settings.home))


def _choice(kind: Callable[[Any], Any], name: str, given: object) -> Any:
    try:
        return kind(given)
    except ValueError:
        raise UsageError(f"{name} is {given!r}", f"choose from {', '.join(map(str, cast(Any, kind)))}") from None


def _window(first: Day | None, last: Day | None) -> Window:
    return Window.parse(None if first is None else str(first), None if last is None else str(last))


def _not_agreed(rows: int) -> None:
    raise UsageError(would_change(rows), "look at them with recon.plan, then give yes=True", code="consent")
