"""Tables for people: as wide as the terminal allows, and no figure ever cut."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Literal

from recon.cli.call import Call
from recon.cli.log import visible

if TYPE_CHECKING:
    from rich.table import Column, Table


GAP = 2
"""Blanks between two columns."""
UNBROKEN = "\u00a0"
"""A blank at which no line ends."""


def table(*columns: str, folded: Sequence[str] = ()) -> Table:
    """A plain table; every column but the first is a number, flush right. Where it is too wide, `folded` columns take
    several lines.
    """
    from rich.table import Table  # takes as long to load as a small query: not with --json

    table = Table(box=None, pad_edge=False, header_style="bold")
    for number, column in enumerate(columns):
        justify: Literal["left", "right"] = "right" if number else "left"
        table.add_column(column, justify=justify, no_wrap=column not in folded, overflow="fold")
    return table


def show(call: Call, table: Table) -> None:
    """Prints a table; where the terminal is too narrow for it, its rows as text, which wraps between figures."""
    width = call.console.width
    if needed(table.columns) <= width:
        return call.console.print(table)
    names = [str(column.header) for column in table.columns]
    for cells in zip(*(column.cells for column in table.columns), strict=True):
        first, *others = map(str, cells)
        figures = (f"{name} {cell}" for name, cell in zip(names[1:], others, strict=True) if cell)
        line = f"{first}: " + ", ".join(figure.replace(" ", UNBROKEN) for figure in figures)
        wrapped = textwrap.wrap(line, width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
        call.say("\n".join(wrapped).replace(UNBROKEN, " "))


def amount(stored: str | None) -> str:
    """BTC as it is stored, with eight decimals or more.

    >>> amount("1234.5"), amount("0.1234567891"), amount("NaN"), amount(None)
    ('1,234.50000000', '0.1234567891', 'NaN', 'null')
    """
    from recon.core.schema import SATOSHI_DECIMALS  # brings Polars: not with --help

    number = _number(stored)
    if number is None:
        return visible(str(stored)) if stored is not None else "null"
    return f"{number:,.{max(SATOSHI_DECIMALS, -int(number.normalize().as_tuple().exponent))}f}"


def plain(stored: str | None) -> str:
    """A number as it is stored, without trailing zeros.

    >>> plain("86388558925171.0200"), plain("NaN"), plain(None)
    ('86388558925171.02', 'NaN', 'null')
    """
    number = _number(stored)
    if number is None:
        return visible(str(stored)) if stored is not None else "null"
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _number(stored: str | None) -> Decimal | None:
    """A finite number; None for what is none."""
    try:
        number = Decimal(stored or "NaN")
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def needed(columns: Sequence[Column]) -> int:
    """The width of a table in which only words of folded columns go to another line."""
    return sum(map(_widest, columns)) + GAP * (len(columns) - 1)


def _widest(column: Column) -> int:
    from rich.cells import cell_len

    texts = [str(text) for text in (column.header, *column.cells)]
    pieces = texts if column.no_wrap else [word for text in texts for word in text.split()]
    return max(map(cell_len, pieces), default=0)
