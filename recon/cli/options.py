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
)
from recon.core.window import Window

if TYPE_CHECKING:
    from recon.reconcile.engine import Engine
    from recon.reconcile.value_check import ValueCheck
    from recon.reconcile.watcher import Compared
    from recon.values.tolerance import Tolerance


CONNECTION = "Connection and waiting"
TABLES = "Tables"
REFERENCE = "Reference data"
OUTPUT = "Output"
CLUSTER = "Dask cluster (analyze, daily, fix, range, report, resume, status)"
SELDOM = "Seldom needed"
"""The headings of options that a command's own help leaves out; those of the last one stand in the reference only."""


class Setting(OptionInfo):
    """An option that is None unless it is given, so that what a file says can take its place.

    otherwise: what holds where nobody says anything; part of the help. panel: the heading it stands under.
    """

    def __init__(
        self, *names: str, help: str, panel: str | None = None, otherwise: Any = None, metavar: str | None = None
    ) -> None:
        text = help if otherwise is None else f"{help.removesuffix('.')} ({otherwise})."
        super().__init__(
            default=..., param_decls=names, help=text, show_default=False, metavar=metavar, rich_help_panel=panel
        )
        self.otherwise = otherwise


_COLUMNS = "What its columns are called, as ours=theirs,ours=theirs."


@dataclass(frozen=True)
class CommonOptions:
    """The options every command takes, by the names that `parse_settings` knows."""

    database_url: Annotated[
        str | None,
        Setting("--database-url", "-d", panel=CONNECTION, metavar="URL", help="PostgreSQL URL, or 'embedded'."),
    ] = None
    connect_timeout: Annotated[
        float | None,
        Setting(
            "--connect-timeout", panel=CONNECTION, metavar="SECONDS", help="How long connecting may take.", otherwise=10
        ),
    ] = None
    statement_timeout: Annotated[
        float | None,
        Setting(
            "--statement-timeout",
            panel=CONNECTION,
            metavar="SECONDS",
            help="How long a statement may take.",
            otherwise="the role's own, else 120",
        ),
    ] = None
    lock_timeout: Annotated[
        float | None,
        Setting(
            "--lock-timeout",
            panel=CONNECTION,
            metavar="SECONDS",
            help="How long to wait for a lock.",
            otherwise="the role's own, else 30",
        ),
    ] = None
    idle_timeout: Annotated[
        float | None,
        Setting(
            "--idle-timeout",
            panel=SELDOM,
            metavar="SECONDS",
            help="How long a transaction may be idle.",
            otherwise="the role's own, else 60",
        ),
    ] = None
    reader: Annotated[
        Reader | None,
        Setting("--reader", panel=CONNECTION, help="Driver of large read-only scans.", otherwise="adbc"),
    ] = None
    synchronous_commit: Annotated[
        str | None,
        Setting(
            "--synchronous-commit",
            panel=SELDOM,
            metavar="on|off",
            help="Wait for the disk at each commit.",
            otherwise="off",
        ),
    ] = None
    curtailment_table: Annotated[
        str | None,
        Setting(
            "--curtailment-table",
            panel=TABLES,
            metavar="TABLE",
            help="The table of curtailed energy, as TABLE or SCHEMA.TABLE.",
            otherwise=DEFAULT_CURTAILMENT.name,
        ),
    ] = None
    curtailment_columns: Annotated[
        str | None,
        Setting("--curtailment-columns", panel=TABLES, metavar="PAIRS", help=_COLUMNS, otherwise="none renamed"),
    ] = None
    calculations_table: Annotated[
        str | None,
        Setting(
            "--calculations-table",
            panel=TABLES,
            metavar="TABLE",
            help="The table that is filled.",
            otherwise=DEFAULT_CALCULATIONS.name,
        ),
    ] = None
    calculations_columns: Annotated[
        str | None,
        Setting("--calculations-columns", panel=TABLES, metavar="PAIRS", help=_COLUMNS, otherwise="none renamed"),
    ] = None
    fleet: Annotated[
        Fleet | None,
        Setting("--fleet", panel=REFERENCE, help="Any share of a machine, or whole ones.", otherwise="fractional"),
    ] = None
    miners: Annotated[
        Path | None,
        Setting("--miners", panel=REFERENCE, metavar="FILE", help="Miner models, CSV.", otherwise="packaged"),
    ] = None
    difficulty: Annotated[
        Path | None,
        Setting(
            "--difficulty",
            panel=REFERENCE,
            metavar="FILE",
            help="Mining difficulty by date, CSV.",
            otherwise="updated, else packaged",
        ),
    ] = None
    subsidy: Annotated[
        Path | None,
        Setting(
            "--subsidy",
            panel=REFERENCE,
            metavar="FILE",
            help="Block subsidies (new BTC per block) by date, CSV.",
            otherwise="packaged",
        ),
    ] = None
    json: Annotated[bool | None, Setting("--json", panel=OUTPUT, help="One JSON document on stdout.")] = None
    quiet: Annotated[
        bool | None, Setting("--quiet", "-q", panel=OUTPUT, help="No progress, no log lines on stderr.")
    ] = None
    verbose: Annotated[bool | None, Setting("--verbose", "-v", panel=OUTPUT, help="More log lines on stderr.")] = None
    profile: Annotated[
        bool | None, Setting("--profile", panel=OUTPUT, help="Seconds and bytes per stage, at the end.")
    ] = None
    log_file: Annotated[
        Path | None, Setting("--log-file", panel=OUTPUT, metavar="FILE", help="Append log lines to a file.")
    ] = None
    log_format: Annotated[
        LogFormat | None, Setting("--log-format", panel=SELDOM, help="How log lines look.", otherwise="text")
    ] = None


@dataclass(frozen=True)
class EngineOptions:
    """The options of the commands whose work can be done elsewhere, by the names of `cli.engine.choose`."""

    workers: Annotated[
        str | None,
        Setting(
            "--workers",
            metavar="N|auto",
            help="How many connections work at the same time; auto: as many as there are processors, or on a cluster "
            "as many as the server can spare",
            otherwise=f"{DEFAULT_WORKERS}; on a cluster auto",
        ),
    ] = None
    max_connections: Annotated[
        str | None, Setting("--max-connections", panel=SELDOM, metavar="N|auto", help="Another name of --workers.")
    ] = None
    engine: Annotated[
        EngineName | None,
        Setting(
            "--engine", panel=CLUSTER, help="Who does the work: threads here, or a Dask cluster.", otherwise="local"
        ),
    ] = None
    scheduler: Annotated[
        str | None,
        Setting(
            "--scheduler",
            panel=CLUSTER,
            metavar="ADDRESS",
            help="The cluster's scheduler.",
            otherwise="a cluster on this machine",
        ),
    ] = None
    scheduler_file: Annotated[
        Path | None,
        Setting(
            "--scheduler-file",
            panel=CLUSTER,
            metavar="FILE",
            help="The file that 'dask scheduler --scheduler-file' wrote.",
        ),
    ] = None
    send_database_url: Annotated[
        bool | None,
        Setting(
            "--send-database-url",
            panel=SELDOM,
            help="Give the workers our database URL and password; use TLS (tls://) for it.",
        ),
    ] = None
    wait_for_workers: Annotated[
        float | None,
        Setting(
            "--wait-for-workers",
            panel=SELDOM,
            metavar="SECONDS",
            help="How long the cluster may have no worker.",
            otherwise=30,
        ),
    ] = None


@dataclass(frozen=True)
class NightlyOptions:
    """Whom `recon daily` tells. They are settings, too: a file may hold them."""

    metrics_file: Annotated[
        Path | None, Setting("--metrics-file", metavar="FILE.prom", help="Write metrics for node_exporter.")
    ] = None
    ping_url: Annotated[
        str | None,
        Setting("--ping-url", metavar="URL", help="Tell healthchecks.io when it begins, and its exit code."),
    ] = None
    webhook: Annotated[
        str | None, Setting("--webhook", metavar="URL", help="Post the JSON result when the exit code changes.")
    ] = None


COMMON = tuple(field.name for field in fields(CommonOptions))
"""The names of the options that every command takes."""
APART = frozenset(
    field.name
    for field in (*fields(CommonOptions), *fields(EngineOptions))
    if get_args(field.type)[1].rich_help_panel is not None
)
"""The names of the options that many commands take: the reference has them once, by their panels."""
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
StartDay = Annotated[str, typer.Argument(metavar="START", help="The first settlement date, YYYY-MM-DD.")]
EndDay = Annotated[str, typer.Argument(metavar="END", help="The last settlement date; it is filled, too.")]
Period = Annotated[
    int, typer.Argument(metavar="PERIOD", help="A settlement period (half an hour of the date): 1 to 46, 48 or 50.")
]
Farm = Annotated[
    str,
    typer.Argument(
        metavar="FARM",
        help="A BM unit (what the grid balances: a wind farm or part of one), as T_VKNGW-1.",
        parser=_text,
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show the plan; write nothing.")]
Deep = Annotated[bool, typer.Option("--deep", help="Compare every key, not only checksums per date.")]
CheckValues = Annotated[bool, typer.Option("--values", help="Also compare every stored value.")]
Yes = Annotated[bool, typer.Option("--yes", help="Change and remove rows without asking first.")]


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
    order: Annotated[Order, typer.Option("--order", help="Which dates first.")] = Order.NEWEST


@dataclass(frozen=True)
class RepairOptions:
    """What a run repairs besides gaps, and how far it may go."""

    repair: Annotated[
        str,
        typer.Option(
            "--repair",
            metavar="KINDS",
            help="What to repair: missing, stale (wrong values), duplicate, orphan (rows without curtailment), with "
            "commas between. All but missing change or remove stored rows.",
        ),
    ] = DEFAULT_REPAIR
    yes: Yes = False
    max_changes: Annotated[
        str,
        typer.Option(
            "--max-changes", metavar="N|P%", help="Change no row at all if more stored rows than this would change."
        ),
    ] = DEFAULT_LIMIT


@dataclass(frozen=True)
class ToleranceOptions:
    """When values agree."""

    atol: Annotated[
        float, typer.Option("--atol", metavar="BTC", min=0, help="Values agree that differ by at most so many BTC ...")
    ] = DEFAULT_ATOL_BTC
    rtol: Annotated[
        float, typer.Option("--rtol", metavar="SHARE", min=0, max=1, help="... plus this share of the right value.")
    ] = DEFAULT_RTOL

    @property
    def tolerance(self) -> "Tolerance":
        """The same as the library takes it; UsageError when it cannot be right."""
        from recon.values.tolerance import Tolerance

        return Tolerance(self.atol, self.rtol)


@dataclass(frozen=True)
class ValueOptions:
    """Whether stored values are compared, and when they agree."""

    values: CheckValues = False
    near: ToleranceOptions = ToleranceOptions()

    def check(
        self, engine: "Engine", compared: "Compared", *, deep: bool = False, workers: int = DEFAULT_WORKERS
    ) -> "ValueCheck":
        """How values are compared, where they are. deep: row by row on every date. workers: connections at work, where
        the engine was not told. UsageError when an option cannot be right.
        """
        from recon.reconcile.value_check import ValueCheck

        return ValueCheck(self.near.tolerance, workers, compared, engine, deep)
