"""`recon demo`: the whole job on the embedded server, with sample data."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from recon.cli.call import Call
from recon.cli.common import command
from recon.cli.options import RepairOptions, ToleranceOptions, WindowOptions
from recon.core.errors import UsageError

if TYPE_CHECKING:
    from recon.reconcile.report import FixReport


SURPLUS = "duplicate,orphan"
NEXT = """
what to try next:
  recon -d embedded explain 2024-04-20 24 T_VKNGW-1   the arithmetic of one key
  recon -d embedded analyze                           patterns and what to do
  recon -d embedded runs                              what was done
  recon -d postgresql://user@host/db status           your own database"""


@command(database=False)
def demo(
    call: Call, reset: Annotated[bool, typer.Option("--reset", help="Throw its data away and start over.")] = False
) -> int:
    """The whole job with sample data, on a server of its own.

    Status, worst dates, fix, repair of surplus rows, and the status after: nothing to set up.

    Risks: none to your data; its server is its own. --reset throws the server's data away.
    Output: each step and what it found, for people; there is no --json.
    Exit status: 0; 1; 2; 3; 4.
    Examples:
        recon demo
        recon demo --reset
    """
    from recon.cli.show import status
    from recon.postgres.embedded import lifecycle
    from recon.sample import load

    if call.json:
        raise UsageError("demo is for people and has no --json", "use 'recon -d embedded fix --json'")
    if reset:
        lifecycle.reset(call.home)
    call.say(f"1. an embedded PostgreSQL server; its data live in {lifecycle.location(call.home)}")
    here = call.embedded()
    loaded = load.ensure(here.settings, load.packaged(), name=here.name)
    call.say("   the sample was loaded" if loaded else "   the sample is there from last time ('--reset' starts over)")
    call.say("\n2. how far the tables agree (recon -d embedded status)")
    _look(here)
    call.say("\n3. find, price, load, verify, record (recon -d embedded fix)")
    _fix(here, call.run_id, "missing")
    call.say("\n4. take out the rows that nothing asks for; each is kept")
    call.say(f"   (recon -d embedded fix --repair {SURPLUS} --yes)")
    report = _fix(here, here.run_id, SURPLUS)
    call.say("\n5. the status after")
    status.summary(here, report.after)
    call.say(NEXT)
    here.say_next(report.next_command or "recon status --values")
    return report.exit_code


def _look(call: Call) -> None:
    """The status, and the worst dates."""
    from recon.cli.show import status
    from recon.reconcile import survey

    with call.comparing() as compared:
        found = survey.status(call.job, WindowOptions().window, comparison=survey.KeyComparison(compared=compared))
    status.summary(call, found)
    status.worst_dates(call, found)


def _fix(call: Call, run_id: str, repairs: str) -> FixReport:
    """A run that repairs something, and what it did."""
    from recon.cli import requests
    from recon.cli.show import runs
    from recon.reconcile import fix

    request = requests.fix_request(WindowOptions().window, RepairOptions(repairs), ToleranceOptions())
    with call.watching() as watcher:
        report = fix.fix(replace(call.job, run_id=run_id), request, watcher=watcher)
    runs.summary(call, report)
    return report
