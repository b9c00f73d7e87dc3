"""The one reader of difficulties, for `recon difficulty check` and `update` and for `--difficulty`.

What shapes a file may have is in shapes.py. Difficulties may be written 1234, 1234.6, "1,234" or "1234.6"; times as
seconds or milliseconds since 1970, ISO times or dates.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import pairwise

from recon.core.errors import DataFileError
from recon.reference.data_lines import Line, refuse_web_page, shown
from recon.reference.difficulty import blocks
from recon.reference.difficulty.days import is_daily, runs, sighted
from recon.reference.difficulty.epochs import Epoch, bounded
from recon.reference.difficulty.shapes import WANTED, shape
from recon.reference.numbers import Misread, difficulty_number, instant, midnight, notes

A_TIME = "a date or time, as 2024-04-20 or 2024-04-20T06:10:11Z"
MILLISECONDS = 10**11
"""So many seconds after 1970 is the year 5138."""


@dataclass(frozen=True)
class Source:
    """The contents of a file: its rows in order of time (`said`), and the epochs that follow from them.

    daily: it went day by day. jumbled: the first row that is out of order in a file that goes neither forwards nor
    backwards, and the row before it.
    """

    epochs: tuple[Epoch, ...]
    said: tuple[Epoch, ...]
    daily: bool = False
    jumbled: tuple[Epoch, Epoch] | None = None

    @property
    def known_through(self) -> date | None:
        """The last date that it knows, if there is one."""
        return self.epochs[-1].through if self.epochs else None


def read(text: str, name: str) -> Source:
    """The epochs of a file's text; DataFileError names the file, the line and what is wrong."""
    try:
        return _source(text.removeprefix("\ufeff"), name)
    except (ArithmeticError, RecursionError, ValueError) as error:
        raise DataFileError(f"{name} cannot be read: {shown(str(error))}", WANTED) from None


def _source(text: str, name: str) -> Source:
    refuse_web_page(text, name)
    given = shape(text, name)
    read = [_epoch(line) for line in given.lines]
    listed = list(blocks.epochs(read)) if given.blocks else _dated(read)
    rows = sorted(listed, key=lambda epoch: epoch.starts)
    if not rows:
        raise DataFileError(f"{name} holds no difficulty", WANTED)
    for one, other in pairwise(rows):
        if one.starts == other.starts and one.difficulty != other.difficulty:
            reason = f"{one.starts:%Y-%m-%d %H:%M} UTC has two difficulties, {one.difficulty} and {other.difficulty}"
            raise DataFileError(f"{name}, {other.place}: {reason}", "keep one of them")
    daily = not given.blocks and is_daily(rows)
    epochs = list(sighted(runs(rows))) if daily else [row for row in rows if not row.sighted]
    return Source(bounded(epochs, _known_through(text, name)), tuple(rows), daily, _jumbled(listed))


def _known_through(text: str, name: str) -> date | None:
    said = notes(text.splitlines()).get("known_through")
    try:
        return date.fromisoformat(said) if said else None
    except ValueError:
        raise DataFileError(f"{name}: known_through is {shown(str(said))!r}", "write YYYY-MM-DD") from None


def _dated(rows: Sequence[Epoch]) -> list[Epoch]:
    """The rows as they are, but where all of them are at 00:00 and none has a height: these are dates."""
    are_dates = all(row.height is None and row.starts == midnight(row.starts.date()) for row in rows)
    return [replace(row, dated=True) for row in rows] if are_dates else list(rows)


def _jumbled(rows: Sequence[Epoch]) -> tuple[Epoch, Epoch] | None:
    """The first row that breaks the order which the first two rows set."""
    backwards = len(rows) > 1 and rows[0].starts > rows[1].starts
    for one, other in pairwise(rows):
        if one.starts == other.starts or (one.starts > other.starts) is not backwards:
            return one, other
    return None


def _epoch(line: Line) -> Epoch:
    starts = line.get("date", _moment, A_TIME)
    height = line.get("height", _height, "a block height") if line.values.get("height", "").strip() else None
    through = line.values.get("known_through", "").strip()
    return Epoch(
        starts,
        line.get("difficulty", difficulty_number, "a difficulty above 0"),
        height,
        line.place,
        line.get("known_through", date.fromisoformat, "a date, YYYY-MM-DD") if through else None,
        dated=re.fullmatch(r"\d{4}-\d\d-\d\d", line.values["date"].strip()) is not None,
    )


def _moment(text: str) -> datetime:
    """A time, ISO or in seconds or milliseconds since 1970."""
    if re.fullmatch(r"\d{9,14}(\.\d+)?", text, re.ASCII):
        number = Decimal(text)
        return datetime.fromtimestamp(float(number / 1000 if number >= MILLISECONDS else number), UTC)
    return instant(text)


def _height(text: str) -> int:
    if not re.fullmatch(r"\d{1,9}(\.0*)?", text, re.ASCII):
        raise Misread("")
    return int(Decimal(text))
