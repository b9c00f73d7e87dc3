"""The calendar of a window: figures and colour band of every settlement date, for the terminal and the page."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from itertools import groupby
from typing import Any

import polars as pl

from recon.reconcile.status import DATE_FIELDS, OFF_FIELDS, Status, percent


class Band(StrEnum):
    """How a date stands, from best to worst: what its colour says."""

    RECONCILED = "reconciled"
    SURPLUS = "nothing missing, but surplus or wrong rows"
    MOST = "90 % and more"
    HALF = "50 to 90 %"
    LITTLE = "below 50 %"
    EMPTY = "nothing there"


@dataclass(frozen=True)
class Day:
    """One settlement date; counts of rows. wrong: None when the values were not checked."""

    day: date
    expected: int
    matched: int
    missing: int
    duplicate: int
    orphan: int
    wrong: int | None = None

    @property
    def percent(self) -> float:
        """The share of what is expected that is there, rounded down."""
        return percent(self.matched, self.expected)

    @property
    def reconciled(self) -> bool:
        """Nothing is to be done on this date."""
        return not (self.missing or self.surplus)

    @property
    def surplus(self) -> bool:
        """Rows too many, or wrong ones: its band says so only where nothing is missing."""
        return any(getattr(self, name) for name in OFF_FIELDS if name != "missing")

    @property
    def band(self) -> Band:
        """Its colour. Whole numbers decide: 100 % is never rounded up to."""
        if not self.missing:
            return Band.RECONCILED if self.reconciled else Band.SURPLUS
        if not self.matched:
            return Band.EMPTY
        return Band.MOST if self.percent >= 90 else Band.HALF if self.percent >= 50 else Band.LITTLE

    def to_dict(self) -> dict[str, Any]:
        """One entry of `calendar` in the report's JSON."""
        named = {name: getattr(self, name) for name in (*DATE_FIELDS, "wrong", "percent", "surplus")}
        return {"date": self.day.isoformat(), **named, "band": str(self.band)}


def days(status: Status) -> list[Day]:
    """Every date of the window with curtailment or calculations, in order."""
    rows = status.dates.filter(pl.col("expected") + pl.col("duplicate") + pl.col("orphan") > 0)
    return [Day(*row) for row in rows.select("settlement_date", *DATE_FIELDS, "wrong").iter_rows()]


@dataclass(frozen=True)
class Month:
    """The dates of one calendar month, in order."""

    first: date
    days: tuple[Day, ...]

    @property
    def name(self) -> str:
        """As in `2024-04`."""
        return f"{self.first:%Y-%m}"

    @property
    def reconciled(self) -> int:
        """How many of its dates are reconciled."""
        return sum(day.reconciled for day in self.days)

    def total(self, name: str) -> int | None:
        """The sum of a count over its dates; None where it was not counted."""
        counts = [getattr(day, name) for day in self.days]
        return None if None in counts else sum(counts)

    def to_dict(self) -> dict[str, Any]:
        """One entry of `by_month` in the report's JSON."""
        counts = {name: self.total(name) for name in (*DATE_FIELDS, "wrong")}
        share = percent(counts["matched"] or 0, counts["expected"] or 0)
        return {"month": self.name, "dates": len(self.days), "reconciled": self.reconciled, **counts, "percent": share}


def months(days: Iterable[Day]) -> list[Month]:
    """The months that have dates, in order."""
    groups = groupby(days, key=lambda day: day.day.replace(day=1))
    return [Month(first, tuple(of_month)) for first, of_month in groups]
