"""The stored rows that a run's repairs would change, and whether it may."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

import polars as pl

from recon.core.errors import SchemaError, UsageError
from recon.core.plan import PlannedDate
from recon.core.settings import ChangeLimit
from recon.postgres.tables import Tables
from recon.reconcile.engine import Engine
from recon.reconcile.request import FixRequest, Job, ValueCheck
from recon.reconcile.status import Status
from recon.reconcile.value_check import CHANGES_PER_DATE, per_date, rows_to_change
from recon.reconcile.watcher import Watcher
from recon.values import changes

Confirm = Callable[[int], None]
"""Called with how many stored rows would change; raises where that is not agreed to."""


def agreed(_rows: int) -> None:
    """Whatever would change is agreed to."""


@dataclass(frozen=True)
class PlannedChanges:
    """Stored rows to replace or remove. by_date: CHANGES_PER_DATE. listed: TO_CHANGE, where they were asked for.
    undated: rows without a settlement date, to be removed.
    """

    by_date: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=CHANGES_PER_DATE))
    listed: pl.DataFrame | None = None
    undated: int = 0

    @property
    def rows(self) -> int:
        """How many rows."""
        return int(self.by_date.get_column("rows").sum()) + self.undated

    @property
    def removed(self) -> int:
        """How many of them are removed."""
        return int(self.by_date.get_column("removed").sum()) + self.undated

    @property
    def per_date(self) -> dict[date, int]:
        """How many rows of each date."""
        return dict(self.by_date.select("settlement_date", "rows").iter_rows())

    def possible(self, planned: Sequence[PlannedDate]) -> PlannedChanges:
        """Those of dates that are not blocked."""
        is_open = ~pl.col("settlement_date").is_in([it.day for it in planned if it.blocked])
        listed = None if self.listed is None else self.listed.filter(is_open)
        return replace(self, by_date=self.by_date.filter(is_open), listed=listed)

    def dangers(self, tables: Tables) -> tuple[str, ...]:
        """What others would lose by the removals."""
        return changes.dangers(tables) if self.removed else ()


def planned_changes(
    job: Job, tables: Tables, before: Status, request: FixRequest, watcher: Watcher, engine: Engine
) -> PlannedChanges:
    """What the repairs would change of the dates of a status; listed for a dry run."""
    policy, listed = request.policy, request.dry_run
    undated = before.undated.stored if "orphan" in policy.repairs else 0
    if not policy.changes_rows:
        return PlannedChanges()
    with watcher.comparing() as compared:
        check = ValueCheck(policy.tolerance, request.workers, compared, engine)
        rows = rows_to_change(job, tables.layout, before, policy.repairs, check, listed=listed)
    return PlannedChanges(per_date(rows.lazy()).collect() if listed else rows, rows if listed else None, undated)


def allowed(
    planned: PlannedChanges,
    stored: int,
    refused: Sequence[str],
    limit: ChangeLimit,
    confirm: Confirm,
    changed: int = 0,
) -> int:
    """How many stored rows a run may change in all; where nothing is to be changed, and so nobody is asked, none.

    Stops a run that would rewrite a table, that would make others lose something, or that nobody has agreed to.
    refused: what others would lose by removals. changed: the rows that the run has changed before.
    """
    if not planned.rows:
        return changed
    if planned.removed and refused:
        raise SchemaError(*changes.refusal(refused, planned.removed), code="referenced")
    if not limit.allows(changed + planned.rows, stored):
        raise UsageError(
            f"{changed + planned.rows:,} of {stored:,} stored rows would change, more than --max-changes {limit}",
            f"look at them with --dry-run, then allow them with --max-changes {changed + planned.rows}",
            code="max_changes",
        )
    confirm(planned.rows)
    return limit.most(stored)
