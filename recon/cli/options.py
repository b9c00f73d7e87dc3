"""Every option, defined once; and how the common ones reach a command from either side of its name."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from recon.cli.call import Call
from recon.core.names import DEFAULT_CALCULATIONS, DEFAULT_CURTAILMENT
from recon.core.settings import EngineName, Fleet, LogFormat, Order, Reader, parse_workers

if TYPE_CHECKING:
    from recon.reconcile.value_check import ValueCheck
    from recon.reconcile.watcher import Compared


def _option(kind: Any, *names: str, help: str, otherwise: Any = None, **more: Any) -> Any:
    """An option that is None unless it is given, so that what the file says can take its place.

    otherwise: what holds where nobody says anything; part of the help, and the last of the annotation's metadata.
    """
    text = help if otherwise is None else f"{help.removesuffix('.')} ({otherwise})."
    return Annotated[kind | None, typer.Option(*names, help=text, show_default=False, **more), otherwise]


_COLUMNS = "What its columns are called, as ours=theirs,ours=theirs."
COMMON: dict[str, Any] = {
    "database_url": _option(str, "--database-url", "-d", metavar="URL", help="PostgreSQL URL, or 'embedded'."),
    "connect_timeout": _option(float, "--connect-timeout", help="Seconds to connect.", otherwise=10),
    "statement_timeout": _option(
        float, "--statement-timeout", help="Seconds per statement.", otherwise="the role's own, else 120"
    ),
    "lock_timeout": _option(
        float, "--lock-timeout", help="Seconds to wait for a lock.", otherwise="the role's own, else 30"
    ),
    "idle_timeout": _option(
        float, "--idle-timeout", help="Seconds idle in a transaction.", otherwise="the role's own, else 60"
    ),
    "reader": _option(Reader, "--reader", help="Driver of large read-only scans.", otherwise="adbc"),
    "synchronous_commit": _option(
        str, "--synchronous-commit", metavar="on|off", help="Wait for the disk at each chunk.", otherwise="off"
    ),
    "curtailment_table": _option(
        str, "--curtailment-table", metavar="TABLE", help="schema.table", otherwise=DEFAULT_CURTAILMENT.name
    ),
    "curtailment_columns": _option(
        str, "--curtailment-columns", metavar="PAIRS", help=_COLUMNS, otherwise="none renamed"
    ),
    "calculations_table": _option(
        str, "--calculations-table", metavar="TABLE", help="As above.", otherwise=DEFAULT_CALCULATIONS.name
    ),
    "calculations_columns": _option(
        str, "--calculations-columns", metavar="PAIRS", help=_COLUMNS, otherwise="none renamed"
    ),
    "fleet": _option(Fleet, "--fleet", help="Any share of a machine, or whole ones.", otherwise="fractional"),
    "miners": _option(Path, "--miners", metavar="FILE", help="Miner models, CSV.", otherwise="packaged"),
    "difficulty": _option(
        Path, "--difficulty", metavar="FILE", help="Difficulty epochs, CSV.", otherwise="updated, else packaged"
    ),
    "subsidy": _option(Path, "--subsidy", metavar="FILE", help="Block subsidies, CSV.", otherwise="packaged"),
    "json": _option(bool, "--json", help="One JSON document on stdout."),
    "quiet": _option(bool, "--quiet", "-q", help="No progress, no log lines on stderr."),
    "verbose": _option(bool, "--verbose", "-v", help="More log lines on stderr."),
    "profile": _option(bool, "--profile", help="Seconds and bytes per stage, at the end."),
    "log_file": _option(Path, "--log-file", metavar="FILE", help="Append log lines to a file."),
    "log_format": _option(LogFormat, "--log-format", help="How log lines look.", otherwise="text"),
}
"""The options every command takes, by the names that `config.parse_settings` knows."""

ENGINE: dict[str, Any] = {
    "engine": _option(EngineName, "--engine", help="Who works on the chunks: threads here, or a Dask cluster (local)."),
    "scheduler": _option(str, "--scheduler", metavar="ADDRESS", help="Of a Dask cluster (one on this machine)."),
    "scheduler_file": _option(Path, "--scheduler-file", metavar="FILE", help="What a Dask scheduler wrote."),
    "send_database_url": _option(
        bool, "--send-database-url", help="Give the workers our database URL and password; use TLS (tls://) for it."
    ),
    "max_connections": _option(
        str, "--max-connections", metavar="N|auto", help="Of all Dask workers together (what the server can spare)."
    ),
    "wait_for_workers": _option(
        float, "--wait-for-workers", metavar="SECONDS", help="How long the cluster may have no worker (30)."
    ),
}
"""The options of the commands whose work can be done elsewhere, by the names of `cli.engine.choose`."""

MetricsFile = Annotated[
    Path | None, typer.Option("--metrics-file", metavar="FILE.prom", help="Write metrics for node_exporter.")
]
PingUrl = Annotated[
    str | None, typer.Option("--ping-url", metavar="URL", help="Tell healthchecks.io of the begin and the exit code.")
]
Webhook = Annotated[
    str | None, typer.Option("--webhook", metavar="URL", help="Post the JSON result when the exit code changes.")
]
NIGHTLY = {"metrics_file": MetricsFile, "ping_url": PingUrl, "webhook": Webhook}
"""The options of `recon daily` that are settings, too: a file may hold them."""

_SETTINGS = {name: get_args(option) for name, option in (COMMON | NIGHTLY).items() if name != "json"}
KINDS = {name: get_args(parts[0])[0] for name, parts in _SETTINGS.items()} | {"home": Path}
"""The type of each setting that a file may hold: all but what one invocation prints."""
OTHERWISE = {name: str(parts[-1]) for name, parts in _SETTINGS.items() if name in COMMON and parts[-1] is not None}
"""What a setting is where nobody says, as the help has it."""


def _text(given: str) -> str:
    """An argument as text, also where the locale has no such characters."""
    try:
        return os.fsencode(given).decode()
    except UnicodeDecodeError:
        raise typer.BadParameter(f"{given!r} is not UTF-8") from None


FirstDate = Annotated[str | None, typer.Option("--from", metavar="DATE", help="First settlement date.")]
LastDate = Annotated[str | None, typer.Option("--to", metavar="DATE", help="Last settlement date.")]
Day = Annotated[str, typer.Argument(metavar="DATE", help="A settlement date, YYYY-MM-DD.")]
EndDay = Annotated[str, typer.Argument(metavar="DATE", help="The last settlement date, inclusive.")]
Period = Annotated[int, typer.Argument(metavar="PERIOD", help="A half-hour settlement period, 1 to 46, 48 or 50.")]
Farm = Annotated[str, typer.Argument(metavar="FARM", help="A BM unit id, as in T_VKNGW-1.", parser=_text)]
BatchSize = Annotated[int, typer.Argument(metavar="BATCH_SIZE", min=1, help="Whole dates per transaction.")]
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
Rtol = Annotated[float, typer.Option("--rtol", min=0, max=1, help="... plus this share of the right value.")]
DEFAULT_WORKERS = "2"
DEFAULT_ATOL = 1e-8
DEFAULT_RTOL = 1e-6


@dataclass(frozen=True)
class ValueOptions:
    """The options of the commands that compare stored values when they are asked to, in one argument."""

    values: CheckValues = False
    atol: Atol = DEFAULT_ATOL
    rtol: Rtol = DEFAULT_RTOL
    workers: Workers = DEFAULT_WORKERS

    def check(self, call: Call, compared: Compared, *, always: bool = False) -> ValueCheck | None:
        """How values are to be compared; None where they are not. UsageError when an option cannot be right."""
        workers = parse_workers(self.workers)
        from recon.reconcile.value_check import ValueCheck
        from recon.values.tolerance import Tolerance

        near = Tolerance(self.atol, self.rtol)
        return ValueCheck(near, workers, compared, call.engine) if self.values or always else None


DEFAULT_BATCH = 60
DEFAULT_LIMIT = "10%"
WhichFirst = Annotated[Order, typer.Option("--order", help="Which dates first.")]
