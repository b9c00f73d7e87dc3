"""What fills and repairs: `recon.plan` and `recon.fix`."""

from __future__ import annotations

from typing import Literal, Unpack

from recon.api.arguments import Day, WindowOptions, Workers, asked, choice, public, window
from recon.api.progress import watching
from recon.core.errors import UsageError
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
from recon.core.wording import would_change
from recon.reconcile import fix as reconcile_fix
from recon.reconcile.planned_changes import agreed
from recon.reconcile.report import FixReport
from recon.reconcile.request import FixRequest
from recon.values.policy import RepairPolicy
from recon.values.tolerance import Tolerance


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
    request = FixRequest(
        window(first, last, options),
        RepairPolicy(parse_repairs(repair), Tolerance(atol, rtol)),
        workers=parse_workers(str(workers)),
        order=choice(Order, "order", order),
        dry_run=True,
    )
    with watching(options.get("progress")) as watcher:
        return reconcile_fix.fix(asked("fix", options), request, watcher=watcher)


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
    request = FixRequest(
        window(first, last, options),
        RepairPolicy(parse_repairs(repair), Tolerance(atol, rtol)),
        ChangeLimit.parse(str(max_changes)),
        batch_size,
        parse_workers(str(workers)),
        choice(Order, "order", order),
    )
    job = asked("fix", options, read_only=False)
    with watching(options.get("progress")) as watcher:
        return reconcile_fix.fix(job, request, watcher=watcher, confirm=agreed if yes else _not_agreed)


def _not_agreed(rows: int) -> None:
    raise UsageError(would_change(rows), "look at them with recon.plan, then give yes=True", code="consent")
