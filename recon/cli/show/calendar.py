"""The month calendar of `status` and `analyze`: a line per month, a character per date, and the colours of the page.

The characters say what the colours do: for pipes, NO_COLOR, and eyes that see colours differently. Only of a date that
lacks rows and has others too many, or wrong, they say no more than that.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from rich.table import Table
from rich.text import Text

from recon.analysis import calendar as analysis_calendar
from recon.analysis.calendar import Band, Day, Month
from recon.cli.call import Call
from recon.cli.show import columns
from recon.reconcile.status import Status

RULER = "1   5    10   15   20   25   30"
DATES, SUMS = ("month", RULER), ("in order", "missing")
COLOURS = {
    Band.RECONCILED: "#37a09d on #37a09d",  # a block, and still a character to whoever copies it
    Band.SURPLUS: "#ffffff on #7b68c8",
    Band.MOST: "#000000 on #f2cf5b",
    Band.HALF: "#000000 on #ee9a3f",
    Band.LITTLE: "#000000 on #d95f30",
    Band.EMPTY: "#ffffff on #961f2f",
}
SIGNS = {Band.RECONCILED: "#", Band.SURPLUS: "+", Band.EMPTY: "-"}
BOTH = "!"
"""Rows are missing, and others are too many or wrong."""


def show(call: Call, found: Status) -> bool:
    """Prints the calendar of a window and what its characters say; not of one date, and not where it has no room.
    Whether its months' sums were printed.
    """
    days = analysis_calendar.days(found)
    table = calendar(analysis_calendar.months(days), call.console.width)
    if len(days) < 2 or columns.needed(table.columns) > call.console.width:
        return False
    call.console.print(table)
    call.console.print(legend())
    return len(table.columns) > len(DATES)


def legend() -> Text:
    """What the characters say, in their colours."""
    named = (
        (SIGNS[Band.RECONCILED], Band.RECONCILED, "reconciled"),
        (SIGNS[Band.SURPLUS], Band.SURPLUS, "surplus or wrong"),
        ("0-9", Band.HALF, "tenths there"),
        (BOTH, Band.LITTLE, "both"),
        (SIGNS[Band.EMPTY], Band.EMPTY, "none"),
    )
    return Text("  ").join(Text.assemble((sign, COLOURS[band]), f" {what}") for sign, band, what in named)


def calendar(months: Sequence[Month], width: int = 80) -> Table:
    """A line per month; months in a row that are reconciled share one. Sums have a column where one fits."""
    lines = list(_lines(months))
    table = _table(lines, SUMS)
    return table if columns.needed(table.columns) <= width else _table(lines, ())


def _table(lines: Sequence[tuple[str, Text, str, str]], sums: Sequence[str]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in DATES:
        table.add_column(name, no_wrap=True)
    for name in sums:
        table.add_column(name, justify="right", no_wrap=True)
    for cells in lines:
        table.add_row(*cells[: len(table.columns)])
    return table


def _lines(months: Sequence[Month]) -> Iterator[tuple[str, Text, str, str]]:
    for reconciled, several in groupby(months, key=lambda month: month.reconciled == len(month.days)):
        row = list(several)
        if reconciled and len(row) > 1:
            dates = sum(month.reconciled for month in row)
            yield row[0].name, Text(f"to {row[-1].name}: all reconciled"), f"{dates:,}/{dates:,}", "0"
        else:
            for month in row:
                in_order = f"{month.reconciled:,}/{len(month.days):,}"
                yield month.name, _dates(month.days), in_order, f"{month.total('missing'):,}"


def _dates(days: Sequence[Day]) -> Text:
    """A character per date, from the 1st to the last that has curtailment."""
    by_number = {day.day.day: day for day in days}
    text = Text()
    for number in range(1, max(by_number) + 1):
        day = by_number.get(number)
        text.append(_sign(day) if day else ".", COLOURS[day.band] if day else "dim")
    return text


def _sign(day: Day) -> str:
    if day.missing and day.surplus:
        return BOTH
    return SIGNS.get(day.band) or str(int(day.percent // 10))
