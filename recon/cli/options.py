"""Every option, defined once; those that several commands have are groups, each a frozen dataclass.

A field's annotation is what Typer reads, so annotations are not postponed here.
"""

import os
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer
from typer.models import OptionInfo

from recon.core.names import DEFAULT_CALCULATIONS, DEFAULT_CURTAILMENT
from recon.core.settings import (
    DEFAULT_ATOL_BTC,
    DEFAULT_BATCH_DATES,
    DEFAULT_LIMIT,
    DEFAULT_REPAIR,
    DEFAULT_RTOL,
    DEFAULT_WORKERS,
    EngineName,
    Fleet,
    LogFormat,
    Order,
    Reader,
    parse_workers,
)
from recon.core.window import Window

if TYPE_CHECKING:
    from recon.reconcile.engine import Engine
    from recon.reconcile.request import ValueCheck
    from recon.reconcile.watcher import Compared
    from recon.values.tolerance import Tolerance


class Setting(OptionInfo):
    """An option that is None unless it is given, so that what a file says can take its place.

    otherwise: what holds where nobody says anything; part of the help.
    """

    def __init__(self, *names: str, help: str, otherwise: Any = None, metavar: str | None = None) -> None:
        text = help if otherwise is None else f"{help.removesuffix('.')} ({otherwise})."
        super().__init__(default=..., param_decls=names, help=text, show_default=False, metavar=metavar)
        self.otherwise = otherwise


_COLUMNS = "What its columns are called, as ours=theirs,ours=theirs."


@dataclass(frozen=True)
class CommonOptions:
    """The options every command takes, by the names that `parse_settings` knows."""

    database_url: Annotated[
        str | None, Setting("--database-url", "-d", metavar="URL", help="PostgreSQL URL, or 'embedded'.")
    ] = None
    connect_timeout: Annotated[float | None, Setting("--connect-timeout", help="Seconds to connect.", otherwise=10)] = (
        None
    )
    statement_timeout: Annotated[
        float | None,
        Setting("--statement-timeout", help="Seconds per statement.", otherwise="the role's own, else 120"),
    ] = None
    lock_timeout: Annotated[
        float | None,
        Setting("--lock-timeout", help="Seconds to wait for a lock.", otherwise="the role's own, else 30"),
    ] = None
    idle_timeout: Annotated[
        float | None,
        Setting("--idle-timeout", help="Seconds idle in a transaction.", otherwise="the role's own, else 60"),
    ] = None
    reader: Annotated[Reader | None, Setting("--reader", help="Driver of large read-only scans.", otherwise="adbc")] = (
        None
    )
    synchronous_commit: Annotated[
        str | None,
        Setting("--synchronous-commit", metavar="on|off", help="Wait for the disk at each chunk.", otherwise="off"),
    ] = None
    curtailment_table: Annotated[
        str | None,
        Setting("--curtailment-table", metavar="TABLE", help="schema.table", otherwise=DEFAULT_CURTAILMENT.name),
    ] = None
    curtailment_columns: Annotated[
        str | None, Setting("--curtailment-columns", metavar="PAIRS", help=_COLUMNS, otherwise="none renamed")
    ] = None
    calculations_table: Annotated[
        str | None,
        Setting("--calculations-table", metavar="TABLE", help="As above.", otherwise=DEFAULT_CALCULATIONS.name),
    ] = None
    calculations_columns: Annotated[
        str | None, Setting("--calculations-columns", metavar="PAIRS", help=_COLUMNS, otherwise="none renamed")
    ] = None
    fleet: Annotated[
        Fleet | None, Setting("--fleet", help="Any share of a machine, or whole ones.", otherwise="fractional")
    ] = None
    miners: Annotated[
        Path | None, Setting("--miners", metavar="FILE", help="Miner models, CSV.", otherwise="packaged")
    ] = None
    difficulty: Annotated[
        Path | None,
        Setting("--difficulty", metavar="FILE", help="Difficulty epochs, CSV.", otherwise="updated, else packaged"),
    ] = None
    subsidy: Annotated[
        Path | None, Setting("--subsidy", metavar="FILE", help="Block subsidies, CSV.", otherwise="packaged")
    ] = None
    json: Annotated[bool | None, Setting("--json", help="One JSON document on stdout.")] = None
    quiet: Annotated[bool | None, Setting("--quiet", "-q", help="No progress, no log lines on stderr.")] = None
    verbose: Annotated[bool | None, Setting("--verbose", "-v", help="More log lines on stderr.")] = None
    profile: Annotated[bool | None, Setting("--profile", help="Seconds and bytes per stage, at the end.")] = None
    log_file: Annotated[Path | None, Setting("--log-file", metavar="FILE", help="Append log lines to a file.")] = None
    log_format: Annotated[LogFormat | None, Setting("--log-format", help="How log lines look.", otherwise="text")] = (
        None
    )


@dataclass(frozen=True)
class EngineOptions:
    """The options of the commands whose work can be done elsewhere, by the names of `cli.engine.choose`."""

    engine: Annotated[
        EngineName | None,
        Setting("--engine", help="Who works on the chunks: threads here, or a Dask cluster (local)."),
    ] = None
    scheduler: Annotated[
        str | None, Setting("--scheduler", metavar="ADDRESS", help="Of a Dask cluster (one on this machine).")
    ] = None
    scheduler_file: Annotated[
        Path | None, Setting("--scheduler-file", metavar="FILE", help="What a Dask scheduler wrote.")
    ] = None
    send_database_url: Annotated[
        bool | None,
        Setting("--send-database-url", help="Give the workers our database URL and password; use TLS (tls://) for it."),
    ] = None
    max_connections: Annotated[
        str | None,
        Setting(
            "--max-connections",
            metavar="N|auto",
            help="Of all Dask workers together (what the server can spare).",
        ),
    ] = None
    wait_for_workers: Annotated[
        float | None,
        Setting("--wait-for-workers", metavar="SECONDS", help="How long the cluster may have no worker (30)."),
    ] = None


@dataclass(frozen=True)
class NightlyOptions:
    """Whom `recon daily` tells. They are settings, too: a file may hold them."""

    metrics_file: Annotated[
        Path | None, Setting("--metrics-file", metavar="FILE.prom", help="Write metrics for node_exporter.")
    ] = None
    ping_url: Annotated[
        str | None, Setting("--ping-url", metavar="URL", help="Tell healthchecks.io of the begin and the exit code.")
    ] = None
    webhook: Annotated[
        str | None, Setting("--webhook", metavar="URL", help="Post the JSON result when the exit code changes.")
    ] = None


COMMON = tuple(field.name for field in fields(CommonOptions))
"""The names of the options that every command takes."""
_SETTINGS = {field.name: get_args(field.type) for field in (*fields(CommonOptions), *fields(NightlyOptions))}
KINDS: dict[str, Any] = {name: get_args(kind)[0] for name, (kind, _) in _SETTINGS.items() if name != "json"}
KINDS["home"] = Path
"""The type of each setting that a file may hold: all but what one invocation prints."""
OTHERWISE = {name: str(option.otherwise) for name, (_, option) in _SETTINGS.items() if option.otherwise is not None}
"""What a setting is where nobody says, as the help has it."""


def _text(given: str) -> str:
    """An argument as text, also where the locale has no such characters."""
    try:
        return os.fsencode(given).decode()
    except UnicodeDecodeError:
        raise typer.BadParameter(f"{given!r} is not UTF-8") from None


Day = Annotated[str, typer.Argument(metavar="DATE", help="A settlement date, YYYY-MM-DD.")]
EndDay = Annotated[str, typer.Argument(metavar="DATE", help="The last settlement date, inclusive.")]
Period = Annotated[int, typer.Argument(metavar="PERIOD", help="A half-hour settlement period, 1 to 46, 48 or 50.")]
Farm = Annotated[str, typer.Argument(metavar="FARM", help="A BM unit id, as in T_VKNGW-1.", parser=_text)]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show the plan; write nothing.")]
Deep = Annotated[bool, typer.Option("--deep", help="Compare every key instead of checksums per date.")]
CheckValues = Annotated[bool, typer.Option("--values", help="Also compare every stored value.")]
Yes = Annotated[bool, typer.Option("--yes", help="Agree to changed and removed rows without being asked.")]
Workers = Annotated[
    str,
    typer.Option(
        "--workers",
        metavar="N|auto",
        help="Connections at work side by side; auto: one per processor, as far as the server has them to spare.",
    ),
]


@dataclass(frozen=True)
class WindowOptions:
    """The settlement dates that are looked at: all, unless one end or both are given."""

    first: Annotated[str | None, typer.Option("--from", metavar="DATE", help="First settlement date.")] = None
    last: Annotated[str | None, typer.Option("--to", metavar="DATE", help="Last settlement date.")] = None

    @property
    def window(self) -> Window:
        """The same, parsed; UsageError when it cannot be right."""
        return Window.parse(self.first, self.last)


@dataclass(frozen=True)
class BatchOptions:
    """How the dates of a run are worked on."""

    batch_size: Annotated[int, typer.Argument(metavar="BATCH_SIZE", min=1, help="Whole dates per transaction.")] = (
        DEFAULT_BATCH_DATES
    )
    workers: Workers = str(DEFAULT_WORKERS)
    order: Annotated[Order, typer.Option("--order", help="Which dates first; oldest loads quickest.")] = Order.OLDEST


@dataclass(frozen=True)
class RepairOptions:
    """What a run repairs besides gaps, and how far it may go."""

    repair: Annotated[
        str,
        typer.Option(
            "--repair", metavar="KINDS", help="missing,stale,duplicate,orphan. All but missing change or remove rows."
        ),
    ] = DEFAULT_REPAIR
    yes: Yes = False
    max_changes: Annotated[
        str, typer.Option("--max-changes", metavar="N|P%", help="Stop before changing more stored rows than this.")
    ] = DEFAULT_LIMIT


@dataclass(frozen=True)
class ToleranceOptions:
    """When values agree."""

    atol: Annotated[float, typer.Option("--atol", min=0, help="Values agree within this many BTC ...")] = (
        DEFAULT_ATOL_BTC
    )
    rtol: Annotated[float, typer.Option("--rtol", min=0, max=1, help="... plus this share of the right value.")] = (
        DEFAULT_RTOL
    )

    @property
    def tolerance(self) -> "Tolerance":
        """The same as the library takes it; UsageError when it cannot be right."""
        from recon.values.tolerance import Tolerance

        return Tolerance(self.atol, self.rtol)


@dataclass(frozen=True)
class ValueOptions:
    """Whether stored values are compared, when they agree, and on how many connections."""

    values: CheckValues = False
    near: ToleranceOptions = ToleranceOptions()
    workers: Workers = str(DEFAULT_WORKERS)

    def check(self, engine: "Engine", compared: "Compared", *, deep: bool = False) -> "ValueCheck":
        """How values are compared, where they are; deep: row by row on every date. UsageError when an option cannot be
        right.
        """
        from recon.reconcile.request import ValueCheck

        return ValueCheck(self.near.tolerance, parse_workers(self.workers), compared, engine, deep)
