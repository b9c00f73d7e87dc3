"""`recon daily`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from recon.cli.call import Call
from recon.cli.common import with_common
from recon.cli.options import (
    DEFAULT_ATOL,
    DEFAULT_LIMIT,
    DEFAULT_RTOL,
    Atol,
    CheckValues,
    MaxChanges,
    MetricsFile,
    PingUrl,
    Repair,
    Rtol,
    ValueOptions,
    Webhook,
    Yes,
)
from recon.core.settings import ChangeLimit, parse_repairs
from recon.core.window import parse_date, today_in_london


@with_common(engine=True)
def daily(
    call: Call,
    days: Annotated[int, typer.Option("--days", min=1, max=366, help="How many dates, today included.")] = 2,
    force: Annotated[
        bool, typer.Option("--force", help="Compare every key and compute wrong rows anew (needs --yes).")
    ] = False,
    repair: Repair = "missing",
    yes: Yes = False,
    max_changes: MaxChanges = DEFAULT_LIMIT,
    values: CheckValues = False,
    atol: Atol = DEFAULT_ATOL,
    rtol: Rtol = DEFAULT_RTOL,
    today: Annotated[
        str | None, typer.Option("--today", metavar="DATE", help="Check as if this were today (Europe/London).")
    ] = None,
    metrics_file: MetricsFile = None,
    ping_url: PingUrl = None,
    webhook: Webhook = None,
) -> int:
    """The nightly check: today and the days before it.

    Risks: those of fix, for the last dates. Only one instance works at a time.
    Output: a line per date (fully_reconciled, fixed, partial, failed or blocked), then what fix prints. With --json
        one document, whose figures are those of the metrics file. The log ends with one line that sums the night up.
    Exit status: 0; 1; 2; 3; 4 some dates failed or are blocked, or another instance is at work.
    Examples:
        recon daily --days 3 --quiet --log-file recon.log
        recon daily --values --metrics-file recon.prom --ping-url https://hc-ping.com/your-check
        recon daily --webhook https://hooks.example.com/recon --log-format json
    """
    day = parse_date(today) if today else today_in_london(datetime.now(UTC))
    repairs = parse_repairs(repair) | ({"stale"} if force else set())
    limit = ChangeLimit.parse(max_changes)
    from recon.cli.nightly.night import Night
    from recon.cli.show import progress
    from recon.cli.show import runs as show_runs
    from recon.cli.show.consent import consent
    from recon.reconcile import daily as story
    from recon.reconcile.request import FixRequest
    from recon.reconcile.watcher import unwatched
    from recon.values.policy import RepairPolicy
    from recon.values.tolerance import Tolerance

    with Night(call, story.window(day, days), metrics_file, ping_url, webhook) as night:
        with progress.Progress(call) as watcher:
            policy = RepairPolicy(repairs, Tolerance(atol, rtol))
            night.found = story.daily(
                call.job,
                FixRequest(story.window(day, days), policy, limit, deep=force),
                watcher=watcher,
                check=ValueOptions(values, atol, rtol).check(call, unwatched),
                confirm=consent(call, yes),
                engine=call.engine,
                begun=night.begin,
            )
        show_runs.daily(call, night.found)
        return night.found.exit_code
