"""The options that many commands take, and those that are settings, too; each group is a frozen dataclass.

A field's annotation is what Typer reads, so annotations are not postponed here.
"""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

from typer.models import OptionInfo

from recon.core.names import DEFAULT_CALCULATIONS, DEFAULT_CURTAILMENT
from recon.core.settings import DEFAULT_WORKERS, EngineName, Fleet, LogFormat, Reader

CONNECTION = "Connection and waiting"
TABLES = "Tables"
REFERENCE = "Reference data"
OUTPUT = "Output"
CLUSTER = "Dask cluster, for the commands with --workers"
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
        Setting("--reader", panel=CONNECTION, help="Driver that reads large tables.", otherwise="adbc"),
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
        Setting(
            "--fleet",
            panel=REFERENCE,
            help="How energy becomes machines: any share of one, or whole ones only.",
            otherwise="fractional",
        ),
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
    metrics_label: Annotated[
        list[str] | None,
        Setting(
            "--metrics-label",
            metavar="NAME=VALUE",
            help="A label of every metric, to tell two databases of a host apart; can be given several times.",
        ),
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
_KINDS = {name: get_args(kind)[0] for name, (kind, _) in _SETTINGS.items() if name != "json"}
KINDS: dict[str, Any] = {name: get_origin(kind) or kind for name, kind in _KINDS.items()}
KINDS["home"] = Path
"""The type of each setting that a file may hold: all but what one invocation prints."""
OTHERWISE = {name: str(option.otherwise) for name, (_, option) in _SETTINGS.items() if option.otherwise is not None}
"""What a setting is where nobody says, as the help has it."""
