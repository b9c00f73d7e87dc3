"""What fills and repairs: `recon.plan` and `recon.fix`."""

from __future__ import annotations

from typing import Literal, Unpack

from recon.api.arguments import Day, WindowOptions, Workers, called, choice, public
from recon.core.settings import (
    DEFAULT_ATOL_BTC,
    DEFAULT_BATCH_DATES,
    DEFAULT_LIMIT,
    DEFAULT_REPAIR,
    DEFAULT_RTOL,
    DEFAULT_WORKERS,
    ChangeLimit,
    Order,
    parse_repairs,
    parse_workers,
)
from recon.reconcile import fix as reconcile_fix
from recon.reconcile.report import FixReport
from recon.reconcile.request import FixRequest
from recon.values.policy import RepairPolicy
from recon.values.tolerance import Tolerance

__all__ = [
    "FixReport",
    "fix",
    "plan",
]


@public
def plan(
    *,
    first: Day | None = None,
    last: Day | None = None,
    order: Literal["newest", "oldest"] = "oldest",
    repair: str = DEFAULT_REPAIR,
    atol: float = DEFAULT_ATOL_BTC,
    rtol: float = DEFAULT_RTOL,
    workers: Workers = DEFAULT_WORKERS,
    **options: Unpack[WindowOptions],
) -> FixReport:
    """What `fix` would do, as `recon fix --dry-run`: nothing is written.

    Returns a FixReport; its frame has one row per date that would be worked on.
    """
    policy = RepairPolicy(parse_repairs(repair), Tolerance(atol, rtol))
    at_work, first_dates = parse_workers(str(workers)), choice(Order, "order", order)
    with called("fix", options, first, last) as call:
        request = FixRequest(call.window, policy, workers=at_work, order=first_dates, dry_run=True)
        return reconcile_fix.fix(call.job, request, watcher=call.bar.watcher)


@public
def fix(
    *,
    first: Day | None = None,
    last: Day | None = None,
    batch_size: int = DEFAULT_BATCH_DATES,
    workers: Workers = DEFAULT_WORKERS,
    order: Literal["newest", "oldest"] = "oldest",
    repair: str = DEFAULT_REPAIR,
    yes: bool = False,
    max_changes: str = DEFAULT_LIMIT,
    atol: float = DEFAULT_ATOL_BTC,
    rtol: float = DEFAULT_RTOL,
    **options: Unpack[WindowOptions],
) -> FixReport:
    """Fills every gap of the window, and repairs more where `repair` says so, as `recon fix`. It writes.

    Repairs that change or remove stored rows need `yes`; look at `plan` first. Returns a FixReport; its frame has one
    row per date that was worked on.

    batch_size: whole dates per transaction, 1 or more.
    yes: that stored rows may be changed and removed.
    max_changes: how many may be, as rows ("500") or as a share of those in the window ("10%"); if it would be more,
        none is.
    """
    policy, limit = RepairPolicy(parse_repairs(repair), Tolerance(atol, rtol)), ChangeLimit.parse(str(max_changes))
    at_work, first_dates = parse_workers(str(workers)), choice(Order, "order", order)
    with called("fix", options, first, last, read_only=False) as call:
        request = FixRequest(call.window, policy, limit, batch_size, at_work, first_dates)
        return reconcile_fix.fix(call.job, request, watcher=call.bar.watcher, confirm=call.consent(yes))
