"""What options ask a run for, as the value that the library takes; loaded once it is known to be needed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from recon.cli.options import BatchOptions, RepairOptions, ToleranceOptions
from recon.core.settings import DEFAULT_WORKERS, ChangeLimit, parse_repairs

if TYPE_CHECKING:
    from recon.core.window import Window
    from recon.reconcile.request import FixRequest


def fix_request(
    window: Window,
    repair: RepairOptions,
    near: ToleranceOptions,
    batches: BatchOptions | None = None,
    *,
    workers: int = DEFAULT_WORKERS,
    deep: bool = False,
    dry_run: bool = False,
    begin: Callable[[], None] | None = None,
) -> FixRequest:
    """What a run is asked to do. deep: to compare every key. UsageError when an option cannot be right.

    begin: called once it is known that they are, before modules that take their time are loaded.
    """
    limit = ChangeLimit.parse(repair.max_changes)
    repairs, tolerance = parse_repairs(repair.repair), near.tolerance
    batches = batches or BatchOptions()
    if begin:
        begin()
    from recon.reconcile.request import FixRequest
    from recon.values.policy import RepairPolicy

    return FixRequest(
        window,
        RepairPolicy(repairs, tolerance),
        limit,
        batches.batch_size,
        workers,
        batches.order,
        deep=deep,
        dry_run=dry_run,
    )
