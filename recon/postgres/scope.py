"""Which settlement dates and periods a statement is about, as SQL."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from recon.core.window import Window
from recon.postgres.sql import date_list, literal, numbers

EPOCH = date(1970, 1, 1)
NO_PERIOD = "(settlement_period between -2147483648 and 2147483647) is not true"
"""SQL for rows whose settlement period is null, or no 32-bit number."""
PAIR_CODE = "((settlement_date - date '1970-01-01')::int8 << 32 # settlement_period::int8)"
"""SQL for a settlement date and period as one number: thousands of them are found by one hash table."""


@dataclass(frozen=True)
class Scope:
    """Some settlement dates, or some settlement periods of them.

    periods: SQL that is true of the periods meant, on any of the dates or on each its own.
    """

    dates: tuple[date, ...]
    periods: str = "true"

    @classmethod
    def of(cls, dates: Iterable[date], periods: Iterable[int | None] | None = None) -> Scope:
        """Whole dates, or these settlement periods of each of them.

        None among the periods stands for rows without one: null, or beyond 32 bits, as `Tables.done` gives them.
        """
        return cls(tuple(dates), "true" if periods is None else _any_of(list(periods)))

    @classmethod
    def of_periods(cls, rows: pl.DataFrame) -> Scope:
        """The settlement dates and periods of the rows, and no others; a null period is one as for `of`."""
        pairs = rows.select("settlement_date", "settlement_period").unique().sort(pl.all())
        dates = tuple(pairs.get_column("settlement_date").unique().sort())
        codes = [(day - EPOCH).days << 32 ^ period for day, period in pairs.drop_nulls().iter_rows()]
        some = [f"{PAIR_CODE} = any ({numbers(codes)})"] if codes else []
        without = pairs.filter(pl.col("settlement_period").is_null()).get_column("settlement_date").to_list()
        none = [f"settlement_date = any ({date_list(without)}) and {NO_PERIOD}"] if without else []
        return cls(dates, f"({' or '.join([*some, *none]) or 'false'})")

    @property
    def parts(self) -> dict[str, str]:
        """The `{dates}` and `{periods}` of the SQL files."""
        return {"dates": date_list(self.dates), "periods": self.periods}


def _any_of(periods: Sequence[int | None]) -> str:
    numbers = ", ".join(str(int(period)) for period in periods if period is not None)
    some = [f"settlement_period in ({numbers})"] if numbers else []
    none = [NO_PERIOD] if None in periods else []
    return f"({' or '.join([*some, *none]) or 'false'})"


def within(window: Window) -> str:
    """SQL for the settlement dates of a window."""
    first, last = window.bounds
    return f"settlement_date between {literal(first)} and {literal(last)}"


def beyond_the_calendar(window: Window) -> str:
    """SQL for dates that no window holds (null, infinite, before year 1, after 9999), on the sides where this one is
    open; empty for a window that is closed on both sides.
    """
    before, after = f"settlement_date < {literal(date.min)}", f"settlement_date > {literal(date.max)}"
    sides = [condition for condition, end in ((before, window.first), (after, window.last)) if end is None]
    return f"({' or '.join(sides if len(sides) == 1 else [*sides, 'settlement_date is null'])})" if sides else ""
