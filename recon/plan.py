"""The explicit list of dates that a run will work on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

import polars as pl

from recon.config import Order
from recon.report import DateResult, Status

UPDATE_DIFFICULTY = "run 'recon difficulty update'"


@dataclass(frozen=True)
class PlannedDate:
    """One date of a plan: what it should hold in the end, what is missing now, and why it is blocked, if it is."""

    day: date
    expected: int
    missing: int
    blocked: str | None = None

    @property
    def result(self) -> DateResult:
        """The date as long as nothing has been done about it."""
        return DateResult(self.day, "blocked" if self.blocked else "pending", self.missing, error=self.blocked)


def plan(before: Status, terms: pl.DataFrame, order: Order) -> list[PlannedDate]:
    """The dates with missing rows, in the order to work on them.

    terms: one row per settlement date with `difficulty` and `subsidy_btc`; a date without either is blocked.
    """
    dates = before.dates.filter(pl.col("missing") > 0).sort("settlement_date", descending=order is Order.NEWEST)
    planned = (PlannedDate(r["settlement_date"], r["expected"], r["missing"]) for r in dates.to_dicts())
    return blocked(planned, terms)


def blocked(dates: Iterable[PlannedDate], terms: pl.DataFrame) -> list[PlannedDate]:
    """The same dates, each with the reason why it cannot be priced, if there is one."""
    known = {row["settlement_date"]: row for row in terms.to_dicts()}
    return [
        PlannedDate(d.day, d.expected, d.missing, _reason(d.day, known.get(d.day, {}))) for d in dates
    ]


def _reason(day: date, terms: dict[str, object]) -> str | None:
    if terms.get("difficulty") is None:
        return f"no difficulty for {day}; {UPDATE_DIFFICULTY}"
    if terms.get("subsidy_btc") is None:
        return f"no block subsidy for {day}; give one with --subsidy FILE"
    return None
