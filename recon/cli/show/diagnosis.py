"""The answers of `recon diagnose`."""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from recon.cli.call import Call
from recon.cli.show import columns
from recon.core.errors import document
from recon.core.wording import counted

if TYPE_CHECKING:
    from rich.table import Table

    from recon.diagnose.checks import Check, Diagnosis

WIDE = 77
COLOURS = {"ok": "green", "warn": "yellow", "fail": "red", "skip": "dim"}


def table(call: Call, found: Diagnosis) -> None:
    """One line per check, what failed first, what was seen under it, and in the end what to do, each advice alone on
    its line.
    """
    call.say(f"{'status':6}  {_cells(call, 'check', 'value', 'threshold')}")
    for check in found.most_urgent:
        _lines(call, check)
    call.say(f"\nrisk of timeouts: {found.level} ({found.risk} of {found.most_risk})")
    if found.recommendations:
        call.say("\nto do, most urgent first:")
    for advice in found.recommendations:
        names = ", ".join(check.name for check in found.checks if check.advice == advice)
        call.say(f"  {call.suggest(advice)}\n      {names}")


def _lines(call: Call, check: Check) -> None:
    from rich.text import Text

    line = Text(f"{check.status:6}", style=COLOURS[check.status])
    cells = _cells(call, check.name, _figure(check.value, check.unit), _limit(check))
    line.append(f"  {cells}".rstrip(), style="default")
    call.console.print(line, soft_wrap=True)
    for part in textwrap.wrap(
        check.detail, max(40, call.console.width - 10), break_on_hyphens=False, break_long_words=False
    ):
        call.say(f"          {part}")


def _cells(call: Call, name: str, value: str, limit: str) -> str:
    """The cells of a line below one another, or where the terminal has no room for that, side by side."""
    return f"{name:37} {value:>15} {limit:>15}" if call.console.width >= WIDE else f"{name} {value} {limit}"


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
    from recon.diagnose.checks import AT_LEAST

    if check.threshold is None:
        return ""
    return f"{'min' if check.name in AT_LEAST else 'max'} {_figure(check.threshold, check.unit.split(' ')[-1])}"


@contextmanager
def shown(call: Call) -> Iterator[Any]:
    """How a look is shown: a JSON object per line, a live table on a terminal with room for it, else a line."""
    if call.json:
        yield lambda look: print(json.dumps(document(**look)), flush=True)
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


def summary(call: Call, seen: list[dict[str, Any]]) -> None:
    """The last line of `recon diagnose monitor`: how many looks, and the latencies."""
    latencies = [look["latency_ms"] for look in seen if look["latency_ms"] is not None]
    worst = max(latencies, default=None)
    failures = len(seen) - len(latencies)
    if call.json:
        summary = {"looks": len(seen), "worst_latency_ms": worst, "failures": failures}
        print(json.dumps(document(summary=summary)), flush=True)
    latency = "none was answered" if worst is None else f"worst latency {worst:,.2f} ms"
    call.say(f"{counted(len(seen), 'look')}, {latency}, {counted(failures, 'failure')}")
