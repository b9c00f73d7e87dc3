"""`recon demo`: the whole job on the embedded server, with sample data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from recon.cli.call import Call
from recon.cli.common import with_common
from recon.core.address import EMBEDDED
from recon.core.errors import UsageError
from recon.core.settings import parse_repairs

if TYPE_CHECKING:
    from recon.reconcile.report import FixReport


SURPLUS = "duplicate,orphan"
NEXT = """
what to try next:
  recon -d embedded explain 2024-04-20 24 T_VKNGW-1   the arithmetic of one key
  recon -d embedded status --values                   which stored values are wrong
  recon -d embedded analyze                           patterns and what to do
  recon -d embedded runs                              what was done
  recon -d postgresql://user@host/db status           your own database"""


def add_to(app: typer.Typer) -> None:
    """Registers the command."""
    app.command("demo")(demo)


@with_common(database=False)
def demo(
    call: Call, reset: Annotated[bool, typer.Option("--reset", help="Throw its data away and start over.")] = False
) -> int:
    """The whole job on a server of its own.

    Status, worst dates, fix, repair of surplus rows, and the status after, with sample data: nothing to set up.

    Risks: none to your data; its server is its own. --reset throws the server's data away.
    Output: each step and what it found, for people; there is no --json.
    Exit status: 0; 1; 2; 3; 4.
    Examples:
        recon demo
        recon demo --reset
    """
    from recon.cli.show import progress, status
    from recon.core.window import Window
    from recon.postgres.embedded import lifecycle, server
    from recon.reconcile import survey
    from recon.sample import load

    if call.json:
        raise UsageError("demo is for people and has no --json", "use 'recon -d embedded fix --json'")
    if reset:
        lifecycle.reset(call.home)
    call.say(f"1. an embedded PostgreSQL server; its data live in {server.location(call.home)}")
    here = call.at(EMBEDDED)
    loaded = load.ensure(here.settings, load.packaged(), name=here.name)
    call.say("   the sample was loaded" if loaded else "   the sample is there from last time ('--reset' starts over)")
    call.say("\n2. how far the tables agree (recon -d embedded status)")
    with progress.comparing(here) as compared:
        before = survey.status(here.job, Window(), comparison=survey.KeyComparison(compared=compared))
    status.status(here, before)
    status.worst_dates(here, before)
    call.say("\n3. find, price, load, verify, record (recon -d embedded fix)")
    _fix(here, call.run_id, "missing")
    call.say("\n4. take out the rows that nothing asks for; each is kept")
    call.say(f"   (recon -d embedded fix --repair {SURPLUS} --yes)")
    report = _fix(here, here.run_id, SURPLUS)
    call.say("\n5. the status after")
    status.status(here, report.after)
    call.say(NEXT)
    return report.exit_code


def _fix(call: Call, run_id: str, repairs: str) -> FixReport:
    """A run that repairs something, and what it did."""
    from recon.cli.show import progress, runs
    from recon.reconcile import fix
    from recon.reconcile.request import FixRequest, Job
    from recon.values.policy import RepairPolicy

    with progress.Progress(call) as watcher:
        job = Job(run_id, "demo", call.settings, call.reference)
        report = fix.fix(job, FixRequest(policy=RepairPolicy(parse_repairs(repairs))), watcher=watcher)
    runs.fix(call, report)
    return report
