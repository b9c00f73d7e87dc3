"""`recon minimal`: one connection, a few keys at a time, for what times out otherwise."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from recon.cli.call import Call
from recon.cli.common import command
from recon.cli.options import Day, Farm, Period
from recon.core.window import check_period, parse_date

if TYPE_CHECKING:
    from recon.reconcile.report import FixReport
    from recon.reconcile.watcher import Watcher


Pause = Annotated[
    float, typer.Option("--pause", metavar="SECONDS", min=0, max=3600, help="Seconds of rest between transactions.")
]
KeysPerTransaction = Annotated[
    int, typer.Argument(metavar="N", min=1, help="Keys per transaction; a key is a settlement period of a farm.")
]
group = typer.Typer(help="Fill a few rows at a time where 'recon fix' times out.")


def _run(call: Call, work: Callable[[Watcher], FixReport]) -> int:
    from recon.cli.show import runs

    with call.watching() as watcher:
        report = work(watcher)
    runs.fix(call, report)
    return report.exit_code


@group.command("sequence")
@command()
def sequence(call: Call, day: Day, keys: KeysPerTransaction, pause: Pause = 0.0) -> int:
    """Fill a date, N keys per transaction.

    The more keys, the faster: a transaction takes some 40 ms.

    Risks: {fills_keys}
    Output: {filled}
    Exit status: 0; 1; 2; 3; 4.
    Examples:
        recon minimal sequence 2023-12-25 50
    """
    parsed = parse_date(day)
    from recon.reconcile import minimal

    return _run(call, lambda watcher: minimal.fill_date(call.job, parsed, minimal.Throttle(keys, pause), watcher))


@group.command("critical-date")
@command()
def critical_date(call: Call, day: Day, pause: Pause = 0.0) -> int:
    """Fill a date, one key per transaction.

    Slow: some 30 keys a second, where 'recon fix' fills thousands. It is for a date that fix cannot get through.

    Risks: {fills_keys}
    Output: {filled}
    Exit status: 0; 1; 2; 3; 4.
    Examples:
        recon minimal critical-date 2023-12-25
    """
    parsed = parse_date(day)
    from recon.reconcile import minimal

    return _run(call, lambda watcher: minimal.fill_date(call.job, parsed, minimal.Throttle(1, pause), watcher))


@group.command("most-critical")
@command()
def most_critical(call: Call, pause: Pause = 0.0) -> int:
    """Find the date with the most missing rows and fill it, one key per transaction.

    Slow: some 30 keys a second, a minute and a half for the sample's worst date, which 'recon fix' fills in a second.
    It is for dates that fix cannot get through.

    Risks: {fills_keys}
    Output: {filled}
    Exit status: 0; 1; 2; 3; 4.
    Examples:
        recon minimal most-critical --pause 0.1
    """
    from recon.reconcile import minimal

    return _run(call, lambda watcher: minimal.fill_worst_date(call.job, minimal.Throttle(1, pause), watcher))


@group.command("spot-fix")
@command()
def spot_fix(call: Call, day: Day, period: Period, farm: Farm) -> int:
    """Fill one settlement period of a farm.

    Risks: {fills_keys}
    Output: {filled}
    Exit status: 0; 1; 2; 3; 4.
    Examples:
        recon minimal spot-fix 2024-04-20 24 T_VKNGW-1
    """
    parsed = parse_date(day)
    check_period(parsed, period)
    from recon.reconcile import minimal

    return _run(call, lambda watcher: minimal.fill_key(call.job, (parsed, period, farm), watcher))
