"""`recon daily`."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated

import typer

from recon.cli.call import Call
from recon.cli.common import command
from recon.cli.options import (
    CheckValues,
    Deep,
    Force,
    RepairOptions,
    ToleranceOptions,
    ValueOptions,
)
from recon.cli.shared_options import NightlyOptions
from recon.core.window import MAX_FEED_AGE_DAYS, parse_date, today_in_london

Days = Annotated[int, typer.Option("--days", metavar="N", min=1, max=366, help="How many dates, today included.")]
FeedAge = Annotated[
    int,
    typer.Option(
        "--max-feed-age",
        metavar="DAYS",
        min=0,
        help="Exit with 1 (no_curtailment) when the newest curtailment is older; 0: however old it is.",
    ),
]
Today = Annotated[
    str | None, typer.Option("--today", metavar="DATE", help="Check as if this were today (Europe/London).")
]


@command(engine=True)
def daily(
    call: Call,
    days: Days = 2,
    deep: Deep = False,
    force: Force = False,
    *,
    repair: RepairOptions,
    values: CheckValues = False,
    near: ToleranceOptions,
    today: Today = None,
    max_feed_age: FeedAge = MAX_FEED_AGE_DAYS,
    tell: NightlyOptions,
) -> int:
    """The nightly check: today and the days before it.

    Risks: those of fix, for the last dates. Only one instance works at a time.
    Output: a line per date (fully_reconciled, nothing_expected, fixed, partial, failed or blocked), what fix prints,
        and the newest curtailment (no_curtailment: nothing is coming in any more). With --json one document, whose
        figures are those of the metrics file. The log ends with one line that sums the night up.
    Exit status: 0; 1 differences are left, or the newest curtailment is older than --max-feed-age; 2; 3; 4 some dates
        failed or are blocked, or another instance is at work.
    Examples:
        recon daily --days 3 --quiet --log-file recon.log
        recon daily --values --metrics-file recon.prom --ping-url https://hc-ping.com/your-check
        recon daily --webhook https://hooks.example.com/recon --log-format json
    """
    day = parse_date(today) if today else today_in_london(datetime.now(UTC))
    from recon.cli import requests
    from recon.cli.nightly.night import Night
    from recon.cli.show import runs
    from recon.reconcile import daily as reconcile_daily
    from recon.reconcile.watcher import unwatched

    if force:
        deep, repair = True, replace(repair, repair=f"{repair.repair},wrong")
    window = reconcile_daily.window(day, days)
    request = requests.fix_request(window, repair, near, workers=call.workers, deep=deep)
    check = ValueOptions(values, near).check(call.engine, unwatched, deep=deep) if values else None
    confirm = call.consent(repair.yes)
    with Night(call, request.window, tell) as night:
        with call.watching() as watcher:
            night.found = reconcile_daily.daily(
                call.job,
                request,
                watcher=watcher,
                check=check,
                confirm=confirm,
                engine=call.engine,
                begun=night.begin,
                max_feed_age=max_feed_age,
            )
        runs.daily(call, night.found)
        return night.found.exit_code
