"""Every option, defined once; and how the common ones reach a command from either side of its name."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from recon.cli.call import Call
from recon.config import (
    CALCULATION_COLUMNS,
    CURTAILMENT_COLUMNS,
    Fleet,
    LogFormat,
    Reader,
    Settings,
    Table,
    Timeouts,
    default_home,
    find_database_url,
)


def _option(kind: Any, *names: str, help: str, **more: Any) -> Any:
    return Annotated[kind | None, typer.Option(*names, help=help, show_default=False, **more)]


_COLUMNS = "What its columns are called: ours=theirs,..."
COMMON: dict[str, Any] = {
    "database_url": _option(str, "--database-url", "-d", metavar="URL", help="PostgreSQL URL, or 'embedded'."),
    "connect_timeout": _option(float, "--connect-timeout", help="Seconds to connect (10)."),
    "statement_timeout": _option(
        float, "--statement-timeout", help="Seconds per statement (the role's own, else 120)."
    ),
    "lock_timeout": _option(float, "--lock-timeout", help="Seconds to wait for a lock (the role's own, else 30)."),
    "idle_timeout": _option(float, "--idle-timeout", help="Seconds idle in a transaction (the role's own, else 60)."),
    "reader": _option(Reader, "--reader", help="Driver of large read-only scans (adbc)."),
    "synchronous_commit": _option(
        str, "--synchronous-commit", metavar="on|off", help="Wait for the disk at each chunk (off)."
    ),
    "curtailment_table": _option(
        str, "--curtailment-table", metavar="TABLE", help="schema.table (curtailment_records)."
    ),
    "curtailment_columns": _option(str, "--curtailment-columns", metavar="PAIRS", help=_COLUMNS),
    "calculations_table": _option(
        str, "--calculations-table", metavar="TABLE", help="As above (historical_bitcoin_calculations)."
    ),
    "calculations_columns": _option(str, "--calculations-columns", metavar="PAIRS", help=_COLUMNS),
    "fleet": _option(Fleet, "--fleet", help="Any share of a machine, or whole ones (fractional)."),
    "miners": _option(Path, "--miners", metavar="FILE", help="Miner models, CSV."),
    "difficulty": _option(Path, "--difficulty", metavar="FILE", help="Difficulty epochs, CSV."),
    "subsidy": _option(Path, "--subsidy", metavar="FILE", help="Block subsidies, CSV."),
    "json": _option(bool, "--json", help="One JSON document on stdout."),
    "quiet": _option(bool, "--quiet", "-q", help="No progress, no log lines on stderr."),
    "verbose": _option(bool, "--verbose", "-v", help="More log lines on stderr."),
    "profile": _option(bool, "--profile", help="Seconds and bytes per stage, at the end."),
    "log_file": _option(Path, "--log-file", metavar="FILE", help="Append log lines to a file."),
    "log_format": _option(LogFormat, "--log-format", help="How log lines look (text)."),
}
"""The options every command takes, by the names of `Settings.parse` below."""

Command = Callable[..., int | None]


def with_common(*, database: bool = True, read_only: bool = False) -> Callable[[Command], Command]:
    """Makes a command take the common options too, and hands it one `Call` made of them.

    database: whether it needs one; then a URL must be known before it begins.
    read_only: whether all it does with it is read; any command's `--dry-run` is such a case.
    """

    def decorate(command: Command) -> Command:
        def wrapper(ctx: typer.Context, **values: Any) -> int | None:
            given = {name: values.pop(name) for name in COMMON}
            inherited = ctx.obj or {}
            merged = {name: inherited.get(name) if value is None else value for name, value in given.items()}
            settings = parse_settings(merged, database=database)
            settings = replace(settings, read_only=read_only or bool(values.get("dry_run")))
            call = Call(ctx.command_path.split(" ", 1)[-1], settings)
            code = command(call, **values)
            call.print_profile()
            return code

        return _take(wrapper, command, without="call")

    return decorate


def take_common(function: Command) -> Command:
    """The same options before the command's name: kept in the context for the command."""

    def wrapper(ctx: typer.Context, **values: Any) -> int | None:
        inherited = ctx.obj or {}
        given = {name: values.pop(name, None) for name in COMMON}
        ctx.obj = {name: inherited.get(name) if value is None else value for name, value in given.items()}
        return function(ctx, **values)

    return _take(wrapper, function, without="ctx")


_taken: dict[Callable[..., Any], tuple[Command, str]] = {}


def _take(wrapper: Command, command: Command, *, without: str) -> Command:
    """Lets the wrapper stand for the command, so far without its parameters: `give_options` adds them."""
    functools.update_wrapper(wrapper, command)
    del wrapper.__wrapped__  # type: ignore[attr-defined]
    _describe(wrapper, [_context()])
    _taken[wrapper] = (command, without)
    return wrapper


def give_options(wrapper: Callable[..., Any] | None, *, common: bool = True) -> None:
    """Gives a command its own parameters and the common ones, which is what Typer reads.

    Only the command that is called needs them: for all of them Typer takes as long as to be imported.
    """
    if wrapper not in _taken:
        return
    command, without = _taken[wrapper]
    own = inspect.signature(command, eval_str=True).parameters.values()
    kept = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own if p.name != without]
    _describe(wrapper, [_context(), *kept, *(_common_parameters() if common else ())])


def _describe(wrapper: Command, parameters: list[inspect.Parameter]) -> None:
    wrapper.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    wrapper.__annotations__ = {p.name: p.annotation for p in parameters}


def _context() -> inspect.Parameter:
    return inspect.Parameter("ctx", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)


def _common_parameters() -> list[inspect.Parameter]:
    kind = inspect.Parameter.KEYWORD_ONLY
    return [inspect.Parameter(name, kind, default=None, annotation=option) for name, option in COMMON.items()]


def parse_settings(given: dict[str, Any], *, database: bool) -> Settings:
    """The common options as Settings; UsageError for whatever cannot be right, before any connection."""
    seconds = {f"{name}_s": given[f"{name}_timeout"] for name in ("connect", "statement", "lock", "idle")}
    kept = {field.name for field in fields(Settings)} & given.keys() - {"database_url", "synchronous_commit"}
    return Settings(
        **{name: given[name] for name in kept if given[name] is not None},
        database_url=find_database_url(given["database_url"]) if database else "",
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
        home=default_home(os.environ),
    )


def _on_or_off(option: str, text: str | None) -> bool:
    if text not in (None, "on", "off"):
        raise typer.BadParameter(f"{option} is 'on' or 'off'")
    return text == "on"


FirstDate = Annotated[str | None, typer.Option("--from", metavar="DATE", help="First settlement date.")]
LastDate = Annotated[str | None, typer.Option("--to", metavar="DATE", help="Last settlement date.")]
Day = Annotated[str, typer.Argument(metavar="DATE", help="A settlement date, YYYY-MM-DD.")]
EndDay = Annotated[str, typer.Argument(metavar="DATE", help="The last settlement date, inclusive.")]
Period = Annotated[int, typer.Argument(metavar="PERIOD", help="A half-hour settlement period, 1 to 46, 48 or 50.")]
Farm = Annotated[str, typer.Argument(metavar="FARM", help="A BM unit id, as in T_VKNGW-1.")]
BatchSize = Annotated[int, typer.Argument(metavar="[BATCH_SIZE]", min=1, help="Whole dates per transaction.")]
Workers = Annotated[
    str,
    typer.Option(
        "--workers",
        metavar="N|auto",
        help="Connections at work side by side; auto: one per processor, as far as the server has them to spare.",
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show the plan; write nothing.")]
Deep = Annotated[bool, typer.Option("--deep", help="Compare every key instead of checksums per date.")]
Repair = Annotated[
    str,
    typer.Option(
        "--repair", metavar="KINDS", help="missing,stale,duplicate,orphan. All but missing change or remove rows."
    ),
]
Yes = Annotated[bool, typer.Option("--yes", help="Agree to changed and removed rows without being asked.")]
MaxChanges = Annotated[
    str, typer.Option("--max-changes", metavar="N|P%", help="Stop before changing more stored rows than this.")
]
CheckValues = Annotated[bool, typer.Option("--values", help="Also compare every stored value.")]
Atol = Annotated[float, typer.Option("--atol", min=0, help="Values agree within this many BTC ...")]
MetricsFile = Annotated[
    Path | None, typer.Option("--metrics-file", metavar="FILE.prom", help="Write metrics for node_exporter.")
]
PingUrl = Annotated[
    str | None, typer.Option("--ping-url", metavar="URL", help="Tell healthchecks.io of the begin and the exit code.")
]
Webhook = Annotated[
    str | None, typer.Option("--webhook", metavar="URL", help="Post the JSON result when the exit code changes.")
]
Rtol = Annotated[float, typer.Option("--rtol", min=0, max=1, help="... plus this share of the right value.")]
