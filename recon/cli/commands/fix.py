"""`recon fix`, `date` and `range`."""

from __future__ import annotations

from dataclasses import dataclass

import typer

from recon.cli.call import Call
from recon.cli.commands.analyze import analyze
from recon.cli.commands.daily import daily
from recon.cli.commands.explain import explain
from recon.cli.commands.init import init
from recon.cli.commands.resume import resume
from recon.cli.commands.runs import runs
from recon.cli.commands.status import status
from recon.cli.common import with_common
from recon.cli.options import (
    DEFAULT_ATOL,
    DEFAULT_BATCH,
    DEFAULT_LIMIT,
    DEFAULT_RTOL,
    DEFAULT_WORKERS,
    Atol,
    BatchSize,
    Day,
    DryRun,
    EndDay,
    FirstDate,
    LastDate,
    MaxChanges,
    Repair,
    Rtol,
    WhichFirst,
    Workers,
    Yes,
)
from recon.core.settings import ChangeLimit, Order, parse_repairs, parse_workers
from recon.core.window import Window, parse_date


def add_to(app: typer.Typer) -> None:
    """Registers the commands, in the order in which a newcomer meets them."""
    for command in (status, analyze, fix, date, range_, resume, runs, explain, daily, init):
        app.command(command.__name__.rstrip("_"))(command)


@dataclass(frozen=True)
class _Fix:
    """What the commands that fill dates have in common."""

    batch_size: int = DEFAULT_BATCH
    workers: str = DEFAULT_WORKERS
    order: Order = Order.NEWEST
    dry_run: bool = False
    repair: str = "missing"
    yes: bool = False
    max_changes: str = DEFAULT_LIMIT
    atol: float = DEFAULT_ATOL
    rtol: float = DEFAULT_RTOL

    def run(self, call: Call, window: Window) -> int:
        repairs, limit = parse_repairs(self.repair), ChangeLimit.parse(self.max_changes)
        workers = parse_workers(self.workers)
        from recon.cli.show import progress
        from recon.cli.show import runs as show_runs
        from recon.cli.show.consent import consent
        from recon.reconcile import fix as reconcile_fix
        from recon.reconcile.request import FixRequest
        from recon.values.policy import RepairPolicy
        from recon.values.tolerance import Tolerance

        with progress.Progress(call) as watcher:
            request = FixRequest(
                window,
                RepairPolicy(repairs, Tolerance(self.atol, self.rtol)),
                limit,
                self.batch_size,
                workers,
                self.order,
                dry_run=self.dry_run,
            )
            confirm = consent(call, self.yes)
            report = reconcile_fix.fix(call.job, request, watcher=watcher, engine=call.engine, confirm=confirm)
        show_runs.fix(call, report)
        if report.changes is not None and not limit.allows(report.changes.height, report.after.stored):
            call.say(f"more than --max-changes {limit}: to do it, give --max-changes {report.changes.height}, too")
        return report.exit_code


@with_common(engine=True)
def fix(
    call: Call,
    batch_size: BatchSize = DEFAULT_BATCH,
    workers: Workers = DEFAULT_WORKERS,
    order: WhichFirst = Order.NEWEST,
    first: FirstDate = None,
    last: LastDate = None,
    dry_run: DryRun = False,
    repair: Repair = "missing",
    yes: Yes = False,
    max_changes: MaxChanges = DEFAULT_LIMIT,
    atol: Atol = DEFAULT_ATOL,
    rtol: Rtol = DEFAULT_RTOL,
) -> int:
    """Fill every gap: survey, plan, price, load, verify, record.

    Risks: {fills}
    Output: {filled}
    Exit status: 0; 1; 2; 3; 4.
    Examples:
        recon fix --dry-run
        recon fix
        recon fix 30 --workers auto --order oldest --from 2024-01-01
        recon fix --repair missing,stale,duplicate,orphan --dry-run
    """
    window = Window.parse(first, last)
    return _Fix(batch_size, workers, order, dry_run, repair, yes, max_changes, atol, rtol).run(call, window)


@with_common()
def date(
    call: Call,
    day: Day,
    dry_run: DryRun = False,
    repair: Repair = "missing",
    yes: Yes = False,
    max_changes: MaxChanges = DEFAULT_LIMIT,
    atol: Atol = DEFAULT_ATOL,
    rtol: Rtol = DEFAULT_RTOL,
) -> int:
    """Fill one date.

    Risks: {fills}
    Output: {filled}
    Exit status: 0; 1; 2; 3; 4.
    Examples:
        recon date 2024-04-20
    """
    parsed = parse_date(day)
    plan = _Fix(DEFAULT_BATCH, "1", Order.NEWEST, dry_run, repair, yes, max_changes, atol, rtol)
    return plan.run(call, Window(parsed, parsed))


@with_common(engine=True)
def range_(
    call: Call,
    first: Day,
    last: EndDay,
    batch_size: BatchSize = DEFAULT_BATCH,
    workers: Workers = DEFAULT_WORKERS,
    order: WhichFirst = Order.NEWEST,
    dry_run: DryRun = False,
    repair: Repair = "missing",
    yes: Yes = False,
    max_changes: MaxChanges = DEFAULT_LIMIT,
    atol: Atol = DEFAULT_ATOL,
    rtol: Rtol = DEFAULT_RTOL,
) -> int:
    """Fill an inclusive range of dates.

    Risks: {fills}
    Output: {filled}
    Exit status: 0; 1; 2; 3; 4.
    Examples:
        recon range 2024-04-01 2024-04-30
        recon range 2024-04-01 2024-04-30 5 --dry-run
    """
    window = Window.parse(first, last)
    return _Fix(batch_size, workers, order, dry_run, repair, yes, max_changes, atol, rtol).run(call, window)
