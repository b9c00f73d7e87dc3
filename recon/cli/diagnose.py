"""`recon diagnose`: what could make a run time out."""

from __future__ import annotations

import json
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from recon.cli import columns
from recon.cli.call import Call, program
from recon.cli.options import COMMON, take_common, with_common
from recon.errors import ExitCode, Interrupted, ReconError
from recon.wording import counted

if TYPE_CHECKING:
    from rich.table import Table

    from recon.checks import Check, Diagnosis

Nagios = Annotated[bool, typer.Option("--nagios", help="One line with perfdata; exit 0, 1, 2 or 3.")]
Connections = Annotated[int, typer.Option("--connections", min=1, max=50, help="How many at once.")]
COLOURS = {"ok": "green", "warn": "yellow", "fail": "red", "skip": "dim"}


def add_to(app: typer.Typer) -> None:
    """Registers the group; without a subcommand it analyzes."""
    group = typer.Typer(help="What could make a run time out, on this server, now.", invoke_without_command=True)
    group.callback()(_default)
    group.command("analyze")(analyze)
    group.command("test")(ladder_only)
    group.command("monitor")(monitor)
    app.add_typer(group, name="diagnose")


@take_common
def _default(ctx: typer.Context, nagios: Nagios = False, connections: Connections = 3) -> int | None:
    """What could make a run time out, on this server, now.

    Risks: none to your tables: all it writes is a temporary table, to see how fast that goes.
    Output: a line per check, what was seen under it, the risk of timeouts, and what to do, most urgent first.
    Exit status: 0 no check failed; 1 a check failed; 2; 3 no connection could be made. With --nagios: 0 ok, 1
        warning, 2 critical, 3 unknown.
    Examples:
        recon diagnose
        recon diagnose --nagios
    """
    if ctx.invoked_subcommand is not None:
        return None
    given = {name: ctx.obj.get(name) for name in COMMON}
    return analyze(ctx, nagios=nagios, connections=connections, **given)


@with_common(read_only=True)
def analyze(call: Call, nagios: Nagios = False, connections: Connections = 3) -> int:
    """Every check: connecting, queries, settings, tables, other sessions, writing, memory.

    Risks: none to your tables: all it writes is a temporary table, to see how fast that goes.
    Output: a line per check, what was seen under it, the risk of timeouts, and what to do, most urgent first.
    Exit status: 0 no check failed; 1 a check failed; 2; 3 no connection could be made. With --nagios: 0 ok, 1
        warning, 2 critical, 3 unknown.
    Examples:
        recon diagnose analyze --json
        recon diagnose analyze --connections 10
    """
    from recon import diagnose as story

    return _answer(call, story.analyze(call.settings, connections=connections), nagios)


@with_common(read_only=True)
def ladder_only(call: Call, nagios: Nagios = False) -> int:
    """The query ladder only.

    Risks: {reads}
    Output: how long a simple, a moderate and a complex query take, beside the role's timeout.
    Exit status: 0 no check failed; 1 a check failed; 2; 3 no connection could be made. With --nagios: 0 ok, 1
        warning, 2 critical, 3 unknown.
    Examples:
        recon diagnose test
    """
    from recon import diagnose as story

    return _answer(call, story.ladder_only(call.settings), nagios)


def _answer(call: Call, found: Diagnosis, nagios: bool) -> int:
    found = found.called(program())
    if nagios:
        code, line = found.nagios()
        print(line)
        return code
    if call.json:
        call.print_json(found.to_dict())
    else:
        _table(call, found)
    return found.exit_code


def _table(call: Call, found: Diagnosis) -> None:
    """One line per check, what was seen under it, and in the end what to do, each advice alone on its line."""
    call.say(f"{'status':6}  {'check':37} {'value':>15} {'threshold':>15}")
    for check in found.checks:
        _lines(call, check)
    call.say(f"\nrisk of timeouts: {found.level} ({found.risk} of {found.most_risk})")
    if found.recommendations:
        call.say("\nto do, most urgent first:")
    for advice in found.recommendations:
        call.say(f"  {advice}\n      {', '.join(check.name for check in found.checks if check.advice == advice)}")


def _lines(call: Call, check: Check) -> None:
    from rich.text import Text

    line = Text(f"{check.status:6}", style=COLOURS[check.status])
    figures = f"{_figure(check.value, check.unit):>15} {_limit(check):>15}"
    line.append(f"  {check.name:37} {figures}".rstrip(), style="default")
    call.console.print(line, soft_wrap=True)
    for part in textwrap.wrap(
        check.detail, max(40, call.console.width - 10), break_on_hyphens=False, break_long_words=False
    ):
        call.say(f"          {part}")


def _figure(value: float | None, unit: str) -> str:
    """A value with as many digits as anybody wants to see.

    >>> [_figure(12.345, "ms"), _figure(0.0123, "s"), _figure(120, "s"), _figure(2**30, "B"), _figure(100_000, "rows")]
    ['12.3 ms', '0.012 s', '120 s', '1,024 MiB', '100,000 rows']
    """
    if value is None:
        return ""
    if unit == "B":
        return f"{value / 2**20:,.0f} MiB"
    unit = unit.removesuffix("s") if value == 1 and unit not in ("s", "ms", "rows/s") else unit
    digits = 0 if float(value).is_integer() else {"ms": 1, "s": 3}.get(unit, 0)
    return f"{value:,.{digits}f} {unit}".rstrip()


def _limit(check: Check) -> str:
    from recon.checks import AT_LEAST

    if check.threshold is None:
        return ""
    return f"{'min' if check.name in AT_LEAST else 'max'} {_figure(check.threshold, check.unit.split(' ')[-1])}"


@with_common(read_only=True)
def monitor(
    call: Call,
    interval: Annotated[float, typer.Option("--interval", min=0.05, help="Seconds between looks.")] = 60,
    count: Annotated[int | None, typer.Option("--count", min=1, help="Stop after so many looks.")] = None,
) -> int:
    """Look again and again; Ctrl-C prints a summary.

    Risks: {reads}
    Output: a line per look, or with --json an object; a summary at the end.
    Exit status: 0 it looked so often as asked for, or was stopped; 2.
    Examples:
        recon diagnose monitor --interval 10 --count 6
    """
    from recon.database import pause

    seen: list[dict[str, Any]] = []
    try:
        with _shown(call) as show:
            while count is None or len(seen) < count:
                if seen:
                    pause(interval)
                seen.append(_look(call))
                show(seen[-1])
    except Interrupted:
        pass
    _summary(call, seen)
    return ExitCode.OK


def _look(call: Call) -> dict[str, Any]:
    """One look: how long a connection and a round trip take, and who is in the way."""
    from recon.database import connect, sql

    look: dict[str, Any] = {"time": datetime.now(UTC).isoformat(timespec="seconds")}
    started = time.perf_counter()
    try:
        with connect(call.settings, "recon/diagnose/monitor") as session:
            look["connect_ms"] = round((time.perf_counter() - started) * 1000, 2)
            with session.transaction(read_only=True):
                started = time.perf_counter()
                session.rows("select 1 as one")
                look["latency_ms"] = round((time.perf_counter() - started) * 1000, 2)
                found = session.rows(sql("diagnose_sessions"))
    except Interrupted:
        raise
    except ReconError as error:
        return look | {"connect_ms": None, "latency_ms": None, "error": error.message}
    look["sessions"] = len(found)
    look["waiting"] = sum(bool(row["blocked_by"]) for row in found)
    look["idle_in_transaction"] = sum("idle in transaction" in row["state"] for row in found)
    return look | {"error": None}


@contextmanager
def _shown(call: Call) -> Iterator[Any]:
    """How a look is shown: a JSON object per line, a live table on a terminal with room for it, else a line."""
    if call.json:
        yield lambda look: print(json.dumps({"schema_version": 1, **look}), flush=True)
    elif sys.stdout.isatty() and columns.needed(_looks_table([]).columns) <= call.console.width:
        with _live(call) as show:
            yield show
    else:
        yield lambda look: print(" ".join(f"{k}={_cell(v)}" for k, v in look.items() if v is not None), flush=True)


@contextmanager
def _live(call: Call) -> Iterator[Any]:
    """A table of the newest looks that the terminal has room for, with the last error under it."""
    from rich.live import Live

    looks: list[dict[str, Any]] = []
    with Live(_looks(looks), console=call.console, auto_refresh=False) as live:

        def add(look: dict[str, Any]) -> None:
            looks.append(look)
            room = max(3, call.console.height - 8)
            live.update(_looks(looks[-room:]), refresh=True)

        yield add


def _looks(looks: list[dict[str, Any]]) -> Any:
    from rich.console import Group

    errors = [look["error"] for look in looks if look["error"]]
    return Group(_looks_table(looks), *errors[-1:])


def _looks_table(looks: list[dict[str, Any]]) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("time (UTC)", "connect ms", "latency ms", "sessions", "waiting", "idle in tx"):
        table.add_column(name, justify="right", no_wrap=True)
    for look in looks:
        first, *figures = (value for name, value in look.items() if name != "error")
        shown = map(_cell, figures) if look["error"] is None else ("failed",)
        table.add_row(first[11:19], *shown)
    return table


def _cell(value: Any) -> str:
    return f"{value:,.2f}" if isinstance(value, float) else str(value)


def _summary(call: Call, seen: list[dict[str, Any]]) -> None:
    latencies = [look["latency_ms"] for look in seen if look["latency_ms"] is not None]
    worst = max(latencies, default=None)
    failures = len(seen) - len(latencies)
    if call.json:
        summary = {"looks": len(seen), "worst_latency_ms": worst, "failures": failures}
        print(json.dumps({"schema_version": 1, "summary": summary}), flush=True)
    latency = "none was answered" if worst is None else f"worst latency {worst:,.2f} ms"
    call.say(f"{counted(len(seen), 'look')}, {latency}, {counted(failures, 'failure')}")
