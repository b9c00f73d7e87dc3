"""Which settlement dates and periods a statement is about, as SQL."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date

import polars as pl

from recon.core.schema import KEY_CODE
from recon.core.window import USUAL_PERIODS, Window
from recon.postgres.sql import date_list, literal, numbers, quoted

EPOCH = date(1970, 1, 1)
NO_PERIOD = "(settlement_period between -2147483648 and 2147483647) is not true"
"""SQL for rows whose settlement period is null, or no 32-bit number."""
KEYS_PER_CELL = 8
"""Of so few, one per miner model at the most is missing where something is missing here and there."""
CELL_BITS = 6
CELL_CODE = "((settlement_date - date '1970-01-01')::int8 << {bits} # ({cell}))"
"""SQL for a settlement date and a cell of it as one number: thousands of them are found by one hash table."""
CODE_BITS = 32 + CELL_BITS
CODE_OF_KEY = "{key_hash} # ((settlement_date - date '1970-01-01')::int8 << 8)"
"""SQL for a settlement date and the hash of a key as one number (schema.KEY_CODE)."""


@dataclass(frozen=True)
class Cells:
    """How finely dates are surveyed: by settlement period, or by parts of these, into which keys come by the last bits
    of their hashes. A cell's number holds both; that of rows without a period is null.
    """

    bits: int = 0

    @classmethod
    def of(cls, dates: int, keys: int, *, whole_periods: bool) -> Cells:
        """Such that a cell has about KEYS_PER_CELL keys. keys: of all these dates. whole_periods: none is cut."""
        if whole_periods:
            return cls()
        per_period = keys / (dates * USUAL_PERIODS)
        return cls(min(max(int(per_period / KEYS_PER_CELL).bit_length() - 1, 0), CELL_BITS))

    def sql(self, period: str = "period", key_hash: str = "key_hash") -> str:
        """SQL for the cell of a row."""
        part = f" << {self.bits} | coalesce({key_hash} & {self._mask}, 0)" if self.bits else ""
        return f"({period})::int8{part}"

    @property
    def of_keys(self) -> pl.Expr:
        """The cells of keys: of rows with `settlement_period` and `key_hash`."""
        period = pl.col("settlement_period").cast(pl.Int64) * (1 << self.bits)
        return (period + (pl.col("key_hash") & self._mask)).alias("cell")

    @property
    def _mask(self) -> int:
        return (1 << self.bits) - 1


@dataclass(frozen=True)
class Scope:
    """Some settlement dates, or some settlement periods of them.

    periods: SQL that is true of the periods meant, on any of the dates or on each its own. window: instead of dates.
    tells_dates: whether `periods` is true of rows on those dates only.
    """

    dates: tuple[date, ...]
    periods: str = "true"
    window: Window | None = None
    tells_dates: bool = False

    @classmethod
    def of(cls, dates: Iterable[date], periods: Iterable[int | None] | None = None) -> Scope:
        """Whole dates, or these settlement periods of each of them.

        None among the periods stands for rows without one: null, or beyond 32 bits, as `Tables.done` gives them.
        """
        return cls(tuple(dates), "true" if periods is None else _of_periods(list(periods)))

    @classmethod
    def of_window(cls, window: Window) -> Scope:
        """All settlement dates of a window."""
        return cls((), window=window)

    @classmethod
    def of_periods(cls, rows: pl.DataFrame) -> Scope:
        """The settlement dates and periods of the rows, and no others; a null period is one as for `of`."""
        return cls.of_cells(rows.select("settlement_date", cell="settlement_period"), "settlement_period::int8")

    @classmethod
    def of_cells(cls, rows: pl.DataFrame, cell: str) -> Scope:
        """The cells of the rows (schema.CELL), and no others. cell: SQL for that of a row."""
        pairs = rows.select("settlement_date", "cell").unique().sort(pl.all())
        dates = tuple(pairs.get_column("settlement_date").unique().sort())
        codes = [(day - EPOCH).days << CODE_BITS ^ number for day, number in pairs.drop_nulls().iter_rows()]
        some = [f"{CELL_CODE.format(bits=CODE_BITS, cell=cell)} = any ({numbers(codes)})"] if codes else []
        without = pairs.filter(pl.col("cell").is_null()).get_column("settlement_date").to_list()
        none = [f"settlement_date = any ({date_list(without)}) and {NO_PERIOD}"] if without else []
        return cls(dates, f"({' or '.join([*some, *none]) or 'false'})")

    def by_period(self, rows: pl.DataFrame, cells: Cells) -> Scope:
        """The same cells (`rows`, all with a settlement period), found by an index that begins with date and period."""
        pairs = rows.select("settlement_date", period=pl.col("cell") // (1 << cells.bits)).unique().sort(pl.all())
        days, periods = (",".join(map(str, column)) for column in pairs.iter_columns())
        listed = f"select * from unnest('{{{days}}}'::date[], '{{{periods}}}'::int4[])"
        condition = f"(settlement_date, settlement_period) in ({listed})"
        return replace(self, periods=f"{condition} and {self.periods}" if cells.bits else condition, tells_dates=True)

    @property
    def is_one_date(self) -> bool:
        """Whether it is one whole date."""
        return len(self.dates) == 1 and self.periods == "true"

    @property
    def parts(self) -> dict[str, str]:
        """The `{within}` of the SQL files."""
        if self.tells_dates:
            return {"within": self.periods}
        days = within(self.window) if self.window else f"settlement_date = any ({date_list(self.dates)})"
        return {"within": f"{days} and {self.periods}"}


def _of_periods(periods: Sequence[int | None]) -> str:
    numbers = ", ".join(str(int(period)) for period in periods if period is not None)
    some = [f"settlement_period in ({numbers})"] if numbers else []
    none = [NO_PERIOD] if None in periods else []
    return f"({' or '.join([*some, *none]) or 'false'})"


def any_of(rows: pl.DataFrame) -> str:
    """SQL that is true of these calculations (HASHED_KEY and miner model): one number tells each, so that thousands are
    found by one hash table.
    """
    models = rows.get_column("miner_model").unique().sort().to_list()
    if not models:
        return "false"
    code = pl.col("miner_model").replace_strict(models, range(1, len(models) + 1), return_dtype=pl.Int64)
    codes = rows.select(KEY_CODE ^ code).to_series()
    known = " ".join(f"when {quoted(name)} then {n}" for n, name in enumerate(models, 1))
    number = f"(case miner_model {known} else 0 end)::int8"
    return f"{CODE_OF_KEY.format(key_hash='key_hash')} # {number} = any ({numbers(codes)})"


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
