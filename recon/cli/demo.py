"""`recon demo`: the whole job on the embedded server, with sample data."""

from __future__ import annotations

from typing import Annotated

import typer

from recon.address import EMBEDDED
from recon.cli.call import Call
from recon.cli.options import with_common
from recon.errors import UsageError


def add_to(app: typer.Typer) -> None:
    """Registers the command."""
    app.command("demo")(demo)


@with_common(database=False)
def demo(
    call: Call, reset: Annotated[bool, typer.Option("--reset", help="Throw its data away and start over.")] = False
) -> int:
    """The whole job on a server of its own.

    Status, worst dates, fix, and the status after, with sample data: nothing to set up.

    Risks: none to your data; its server is its own. --reset throws the server's data away.
    Output: each step and what it found, for people; there is no --json.
    Exit status: 0 nothing is missing any more; 1; 2; 3; 4.
    Examples:
        recon demo
        recon demo --reset
    """
    from recon import embedded, pipeline, sample_load
    from recon.cli import progress, render, render_runs
    from recon.parameters import Pace
    from recon.window import Window

    if call.json:
        raise UsageError("demo is for people and has no --json", "use 'recon -d embedded fix --json'")
    if reset:
        embedded.reset(call.home)
    call.say(f"1. an embedded PostgreSQL server; its data live in {embedded.location(call.home)}")
    here = call.at(EMBEDDED)
    loaded = sample_load.ensure(here.settings, sample_load.packaged(), name=here.name)
    call.say("   the sample was loaded" if loaded else "   the sample is there from last time ('--reset' starts over)")
    call.say("\n2. how far the tables agree (recon -d embedded status)")
    before = pipeline.status(here.settings, here.reference, Window(), name=here.name)
    render.status(here, before)
    render.worst_dates(here, before)
    call.say("\n3. find, price, load, verify, record (recon -d embedded fix)")
    with progress.Progress(here) as watcher:
        report = pipeline.fix(
            here.settings, here.reference, Window(), Pace(), command="demo", run_id=here.run_id, watcher=watcher
        )
    render_runs.fix(here, report)
    call.say("\n4. the status after")
    render.status(here, report.after)
    _what_next(call, report.after.total("duplicate") + report.after.total("orphan"))
    return 0 if report.after.total("missing") == 0 else report.exit_code


def _what_next(call: Call, surplus: int) -> None:
    call.say("\nwhat to try next:")
    call.say("  recon -d embedded explain 2024-04-20 24 T_VKNGW-1   the arithmetic of one key")
    call.say("  recon -d embedded analyze                           patterns and what to do")
    call.say("  recon -d embedded runs                              what was done")
    if surplus:
        call.say("  recon -d embedded fix --repair duplicate,orphan --dry-run   the rows that should not be there")
    call.say("  recon -d postgresql://user@host/db status           your own database")
