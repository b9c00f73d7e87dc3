"""The explicit list of dates that a run will work on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import polars as pl

from recon.core.chunks import STORED_PER_ROW
from recon.core.schema import FrameSchema
from recon.core.settings import Order
from recon.core.suggestions import UPDATE_DIFFICULTY


@dataclass(frozen=True)
class PlannedDate:
    """One date of a plan: expected and missing rows, why it is blocked (None: it is not), and how many stored rows the
    repairs would replace or remove.
    """

    day: date
    expected: int
    missing: int
    blocked: str | None = None
    changes: int = 0

    def rows(self, *, whole: bool) -> int:
        """How many rows a chunk has in memory for it. whole: whether all stored ones are read, else what is there is
        told by aggregates.
        """
        return self.expected if whole else max(self.missing, self.expected // STORED_PER_ROW)

    @property
    def result(self) -> DateResult:
        """The result of a date that was not worked on yet: pending, or blocked."""
        return DateResult(self.day, "blocked" if self.blocked else "pending", self.missing, error=self.blocked)


def plan(
    dates: pl.DataFrame,
    terms: pl.DataFrame,
    order: Order,
    repairs: frozenset[str] = frozenset({"missing"}),
    changes: dict[date, int] | None = None,
) -> list[PlannedDate]:
    """The dates with something to repair, in the order to work on them.

    dates: one row per settlement date with expected and missing rows. terms: one with `difficulty` and `subsidy_btc`;
    a date without either is blocked.
    changes: per date, the stored rows to replace or remove.
    """
    changed = changes or {}
    missing = pl.col("missing") if "missing" in repairs else pl.lit(0)
    ordered = dates.sort("settlement_date", descending=order is Order.NEWEST).with_columns(missing=missing)
    planned = (
        PlannedDate(day, expected, absent, changes=changed.get(day, 0))
        for day, expected, absent in ordered.select("settlement_date", "expected", "missing").iter_rows()
        if absent or day in changed
    )
    return blocked(planned, terms)


def blocked(dates: Iterable[PlannedDate], terms: pl.DataFrame) -> list[PlannedDate]:
    """The same dates, each with the reason why it cannot be priced, if there is one."""
    known = {row["settlement_date"]: row for row in terms.to_dicts()}
    return [replace(d, blocked=_reason(known.get(d.day, {}))) for d in dates]


def _reason(terms: dict[str, object]) -> str | None:
    if terms.get("difficulty") is None:
        return f"no difficulty is known for this date; run '{UPDATE_DIFFICULTY}'"
    if terms.get("subsidy_btc") is None:
        return "no block subsidy is known for this date; give one with --subsidy FILE"
    return None


@dataclass(frozen=True)
class DateResult:
    """Result of one planned settlement date.

    status: done | skipped (nothing was missing when its turn came) | failed | blocked | pending.
    missing, inserted, replaced (wrong rows, whose values were written anew in place; inserted counts them, too) and
    removed (duplicates and orphans) count rows; btc is what the inserted rows sum to per model, as exact decimals.
    """

    day: date
    status: str
    missing: int
    inserted: int = 0
    replaced: int = 0
    removed: int = 0
    attempts: int = 0
    seconds: float = 0.0
    error: str | None = None
    btc: tuple[tuple[str, str], ...] = ()

    @property
    def filled(self) -> int:
        """Rows written that were not there before."""
        return self.inserted - self.replaced

    def to_dict(self) -> dict[str, Any]:
        """One entry of `dates` in the contract."""
        return {
            "date": self.day.isoformat(),
            "status": self.status,
            "missing": self.missing,
            "inserted": self.inserted,
            "replaced": self.replaced,
            "removed": self.removed,
            "attempts": self.attempts,
            "seconds": round(self.seconds, 3),
            "error": self.error,
        }


def results_frame(results: Iterable[DateResult]) -> pl.DataFrame:
    """RESULTS: what the entries of `dates` say, in their order."""
    rows = [{**result.to_dict(), "settlement_date": result.day} for result in results]
    return pl.DataFrame(rows, schema=RESULTS, orient="row")


RESULTS: FrameSchema = {
    "settlement_date": pl.Date,
    "status": pl.String,
    **dict.fromkeys(("missing", "inserted", "replaced", "removed", "attempts"), pl.Int64),
    "seconds": pl.Float64,
    "error": pl.String,
}
"""One row per DateResult."""
