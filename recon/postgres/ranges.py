"""Calculations that cannot be stored: the first of them is named with its key, before anything is sent."""

from __future__ import annotations

from decimal import Decimal

import polars as pl

from recon.core.errors import DatabaseError
from recon.core.schema import CALC_KEY
from recon.core.suggestions import UPDATE_DIFFICULTY
from recon.postgres.layout import Layout

VALUES = ("bitcoin_mined", "difficulty")


def check_priced(rows: pl.DataFrame) -> None:
    """DatabaseError for calculations (price.calculations) without BTC: their difficulty is not known, or they are
    more than any number that is stored.
    """
    unpriced = rows.filter(pl.col("bitcoin_mined").is_null())
    if unpriced.is_empty():
        return
    priced = unpriced.drop_nulls(["difficulty", "subsidy_btc"])
    if priced.is_empty():
        hint = f"run '{UPDATE_DIFFICULTY}'"
        raise DatabaseError(f"{unpriced.height} rows have no difficulty or subsidy", hint)
    what = f"{_first(priced)} comes to more BTC than can be stored ({priced.height} such rows)"
    raise DatabaseError(what, "look at its volume with 'recon explain', and at the miner model", code="range")


def check_range(rows: pl.DataFrame, layout: Layout) -> None:
    """DatabaseError for calculations that the table's numeric columns have not enough digits for."""
    for name in VALUES:
        column = layout.stored_columns[name]
        if column.digits is None:
            continue
        values, bound = rows.get_column(name), Decimal(10) ** (column.digits - (column.decimals or 0))
        if values.max() >= bound:  # type: ignore[operator]
            beyond = rows.filter([value >= bound for value in values])
            kind = f"numeric({column.digits},{column.decimals})"
            what = f"{_first(beyond)} has a {name} of {beyond.item(0, name)}, which {kind} cannot hold"
            table, own = layout.calculations.name.quoted, layout.calculations.column(name)
            hint = f"ALTER TABLE {table} ALTER COLUMN {own} TYPE numeric; then run 'recon resume'"
            raise DatabaseError(f"{what} ({beyond.height} such rows)", hint, code="range", sqlstate="22003")


def _first(rows: pl.DataFrame) -> str:
    return " ".join(str(value) for value in rows.sort(CALC_KEY).select(CALC_KEY).row(0))
