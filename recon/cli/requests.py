"""What options ask a run for, as the value that the library takes; loaded once it is known to be needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recon.cli.options import BatchOptions, RepairOptions, ToleranceOptions
from recon.core.settings import ChangeLimit, parse_repairs, parse_workers
from recon.reconcile.request import FixRequest
from recon.values.policy import RepairPolicy

if TYPE_CHECKING:
    from recon.core.window import Window


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
        RepairPolicy(repairs, near.tolerance),
        limit,
        batches.batch_size,
        parse_workers(batches.workers),
        batches.order,
        deep=force,
        dry_run=dry_run,
    )
