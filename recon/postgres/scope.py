"""Which settlement dates and periods a statement is about, as SQL."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date

import polars as pl

from recon.core.window import Window
from recon.postgres.sql import date_list, literal


def within(window: Window) -> str:
    """SQL for the settlement dates of a window."""
    first, last = window.bounds
    return f"settlement_date between {literal(first)} and {literal(last)}"


def beyond_the_calendar(window: Window) -> str:
    """SQL for such dates; empty for a window that is closed on both sides."""
    before, after = f"settlement_date < {literal(date.min)}", f"settlement_date > {literal(date.max)}"
    sides = [condition for condition, end in ((before, window.first), (after, window.last)) if end is None]
    return f"({' or '.join(sides if len(sides) == 1 else [*sides, 'settlement_date is null'])})" if sides else ""


def scope(dates: Iterable[date], periods: Iterable[int | None] | None = None) -> dict[str, str]:
    """The `{dates}` and `{periods}` of the SQL files: whole dates, or some settlement periods of them.

    None among the periods stands for rows without one: null, or beyond 32 bits, as read_done gives them.
    """
    return {"dates": date_list(dates), "periods": "true" if periods is None else _any_of(list(periods))}


def _any_of(periods: Sequence[int | None]) -> str:
    numbers = ", ".join(str(int(period)) for period in periods if period is not None)
    some = [f"settlement_period in ({numbers})"] if numbers else []
    none = ["(settlement_period between -2147483648 and 2147483647) is not true"] if None in periods else []
    return f"({' or '.join([*some, *none]) or 'false'})"


def scope_of_periods(rows: pl.DataFrame) -> dict[str, str]:
    """The scope of some settlement periods of some dates: those of the rows, and no others."""
    periods = rows.select("settlement_date", "settlement_period").drop_nulls().unique().sort(pl.all())
    listed = ", ".join(f"({literal(day)}, {period})" for day, period in periods.iter_rows())
    some = f"(settlement_date, settlement_period) in (values {listed})" if listed else "false"
    return {"dates": date_list(periods.get_column("settlement_date").unique().sort()), "periods": some}
