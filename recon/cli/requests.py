"""What options ask for, as the values that the library takes; loaded once they are known to be needed."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from recon.cli.call import Call
from recon.cli.options import BatchOptions, RepairOptions, ToleranceOptions, ValueOptions
from recon.core.errors import UsageError
from recon.core.settings import ChangeLimit, parse_repairs, parse_workers
from recon.reconcile.request import FixRequest
from recon.reconcile.value_check import ValueCheck
from recon.reconcile.watcher import Compared, unwatched
from recon.values.policy import RepairPolicy
from recon.values.tolerance import Tolerance

if TYPE_CHECKING:
    from recon.core.window import Window


def tolerance(near: ToleranceOptions) -> Tolerance:
    """When values agree."""
    return Tolerance(near.atol, near.rtol)


def value_check(
    call: Call,
    options: ValueOptions,
    compared: Compared = unwatched,
    *,
    always: bool = False,
    deep: bool = False,
) -> ValueCheck | None:
    """How values are to be compared; None where they are not. UsageError when an option cannot be right.

    deep: row by row on every date.
    """
    check = ValueCheck(tolerance(options.near), parse_workers(options.workers), compared, call.engine, deep)
    return check if options.values or always else None


def fix_request(
    window: Window,
    repair: RepairOptions,
    near: ToleranceOptions,
    batches: BatchOptions | None = None,
    *,
    force: bool = False,
    dry_run: bool = False,
) -> FixRequest:
    """What a run is asked to do. force: to compare every key, and to repair stale rows, too. UsageError when an option
    cannot be right.
    """
    repairs = parse_repairs(repair.repair) | ({"stale"} if force else set())
    limit = ChangeLimit.parse(repair.max_changes)
    batches = batches or BatchOptions()
    return FixRequest(
        window,
        RepairPolicy(repairs, tolerance(near)),
        limit,
        batches.batch_size,
        parse_workers(batches.workers),
        batches.order,
        deep=force,
        dry_run=dry_run,
    )


def consent(call: Call, yes: bool, why: str = "") -> Callable[[int], None]:
    """Asks on a terminal before rows are changed; elsewhere --yes must have been given. why: what comes before."""

    def ask(rows: int) -> None:
        if yes:
            return
        what = f"{why}{rows:,} stored rows would be replaced or removed (each is kept in recon.quarantine)"
        if call.json or not sys.stdin.isatty():
            raise UsageError(what, "look at them with --dry-run, then give --yes", code="consent")
        sys.stderr.write(f"{what}. Go on? [y/N] ")
        sys.stderr.flush()
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            raise UsageError("nothing was changed", "look at the rows with --dry-run", code="consent")

    return ask
