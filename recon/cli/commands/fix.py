"""`recon fix`, `date` and `range`."""

from __future__ import annotations

from recon.cli.call import Call
from recon.cli.common import command
from recon.cli.options import (
    BatchOptions,
    Day,
    DryRun,
    EndDay,
    RepairOptions,
    StartDay,
    ToleranceOptions,
    WindowOptions,
)
from recon.core.window import Window, parse_date


@command(engine=True)
def fix(
    call: Call,
    batches: BatchOptions,
    when: WindowOptions,
    dry_run: DryRun = False,
    *,
    repair: RepairOptions,
    near: ToleranceOptions,
) -> int:
    """Fill every gap: calculate the missing rows, write, check.

    Risks: {fills}
    Output: {filled}
    Exit status: 0; 1; 2; 3; 4.
    Examples:
        recon fix --dry-run
        recon fix
        recon fix 30 --workers auto --order oldest --from 2024-01-01
        recon fix --repair missing,wrong,duplicate,orphan --dry-run
    """
    return _fill(call, when.window, batches, repair, near, dry_run=dry_run)


@command()
def date(call: Call, day: Day, dry_run: DryRun = False, *, repair: RepairOptions, near: ToleranceOptions) -> int:
    """Fill one settlement date.

    Risks: {fills}
    Output: {filled}
    Exit status: 0; 1; 2; 3; 4.
    Examples:
        recon date 2024-04-20
    """
    parsed = parse_date(day)
    return _fill(call, Window(parsed, parsed), BatchOptions(), repair, near, dry_run=dry_run)


@command(engine=True)
def range_(
    call: Call,
    first: StartDay,
    last: EndDay,
    batches: BatchOptions,
    dry_run: DryRun = False,
    *,
    repair: RepairOptions,
    near: ToleranceOptions,
) -> int:
    """Fill the settlement dates from START to END.

    Risks: {fills}
    Output: {filled}
    Exit status: 0; 1; 2; 3; 4.
    Examples:
        recon range 2024-04-01 2024-04-30
        recon range 2024-04-01 2024-04-30 5 --dry-run
    """
    return _fill(call, Window.parse(first, last), batches, repair, near, dry_run=dry_run)


def _fill(
    call: Call, window: Window, batches: BatchOptions, repair: RepairOptions, near: ToleranceOptions, *, dry_run: bool
) -> int:
    """Fills the dates of a window, and says what came of it."""
    from recon.cli import requests

    request = requests.fix_request(
        window, repair, near, batches, workers=call.workers, dry_run=dry_run, begin=call.begin
    )
    from recon.cli.show import runs
    from recon.reconcile import fix as reconcile_fix

    with call.watching() as watcher:
        confirm = call.consent(repair.yes)
        report = reconcile_fix.fix(call.job, request, watcher=watcher, engine=call.engine, confirm=confirm)
    runs.fix(call, report)
    return report.exit_code
