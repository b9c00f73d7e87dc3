"""`recon diagnose`: what could make a run time out."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from recon.cli.call import Call
from recon.cli.common import callback, command
from recon.cli.show.diagnosis import shown, summary, table
from recon.core.errors import ExitCode, Interrupted

if TYPE_CHECKING:
    from recon.diagnose.checks import Diagnosis


Nagios = Annotated[bool, typer.Option("--nagios", help="One line with perfdata; exit 0, 1, 2 or 3.")]
Connections = Annotated[int, typer.Option("--connections", metavar="N", min=1, max=50, help="How many at once.")]
group = typer.Typer(help="What could make a run time out on this server.", invoke_without_command=True)


@group.callback()
@callback
def _default(ctx: typer.Context, nagios: Nagios = False, connections: Connections = 3) -> int | None:
    """What could make a run time out on this server.

    Risks: none to your tables: all it writes is a temporary table, to see how fast that goes.
    Output: a line per check, what failed first, and what was seen under it; the risk of timeouts; what to do, most
        urgent first.
    Exit status: 0 no check failed; 1 a check failed; 2; 3 no connection could be made. With --nagios: 0 ok, 1
        warning, 2 critical, 3 unknown.
    Examples:
        recon diagnose
        recon diagnose --nagios
    """
    if ctx.invoked_subcommand is not None:
        return None
    return analyze(ctx, nagios=nagios, connections=connections)


@group.command("analyze")
@command(read_only=True)
def analyze(call: Call, nagios: Nagios = False, connections: Connections = 3) -> int:
    """Every check: connecting, queries, settings, tables, other sessions, writing, memory.

    Risks: none to your tables: all it writes is a temporary table, to see how fast that goes.
    Output: a line per check, what failed first, and what was seen under it; the risk of timeouts; what to do, most
        urgent first.
    Exit status: 0 no check failed; 1 a check failed; 2; 3 no connection could be made. With --nagios: 0 ok, 1
        warning, 2 critical, 3 unknown.
    Examples:
        recon diagnose analyze --json
        recon diagnose analyze --connections 10
    """
    from recon.diagnose import analyze as diagnosis

    return _answer(call, diagnosis.analyze(call.settings, connections=connections), nagios)


@group.command("test")
@command(read_only=True)
def ladder_only(call: Call, nagios: Nagios = False) -> int:
    """Only the time that a simple, a moderate and a complex query take.

    Risks: {reads}
    Output: how long a simple, a moderate and a complex query take, beside the role's timeout.
    Exit status: 0 no check failed; 1 a check failed; 2; 3 no connection could be made. With --nagios: 0 ok, 1
        warning, 2 critical, 3 unknown.
    Examples:
        recon diagnose test
    """
    from recon.diagnose import analyze as diagnosis

    return _answer(call, diagnosis.ladder_only(call.settings), nagios)


def _answer(call: Call, found: Diagnosis, nagios: bool) -> int:
    if nagios:
        code, line = found.nagios()
        print(line)
        return code
    if call.json:
        call.print_json(found.to_dict(call.program))
    else:
        table(call, found)
    return found.exit_code


@group.command("monitor")
@command(read_only=True)
def monitor(
    call: Call,
    interval: Annotated[
        float, typer.Option("--interval", metavar="SECONDS", min=0.05, help="Seconds between looks.")
    ] = 60,
    count: Annotated[int | None, typer.Option("--count", metavar="N", min=1, help="Stop after so many looks.")] = None,
) -> int:
    """Look again and again; Ctrl-C prints a summary.

    Risks: {reads}
    Output: a line per look, or with --json an object; a summary at the end.
    Exit status: 0 it looked so often as asked for, or was stopped; 2.
    Examples:
        recon diagnose monitor --interval 10 --count 6
    """
    from recon.diagnose.analyze import look
    from recon.postgres.stopping import pause

    seen: list[dict[str, Any]] = []
    try:
        with shown(call) as show:
            while count is None or len(seen) < count:
                if seen:
                    pause(interval)
                now = datetime.now(UTC).isoformat(timespec="seconds")
                seen.append({"time": now} | look(call.settings))
                show(seen[-1])
    except Interrupted:
        pass
    summary(call, seen)
    return ExitCode.OK
