"""How an answer of the library shows itself: in one line, and in a notebook as a table and that line."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable

import polars as pl

MOST_ROWS = 20
"""Rows of a frame that a notebook is shown."""
MOST_CHARACTERS = 300
"""Of the one line."""
NUMBER = ' style="text-align: right"'


class Shown(ABC):
    """An answer: its sentence, its rows as a frame, and how both are shown. Colours are left to the notebook, so that
    what is shown can be read on a light and on a dark ground.
    """

    @property
    @abstractmethod
    def sentence(self) -> str:
        """What there is to say, in one line."""

    @abstractmethod
    def to_frame(self) -> pl.DataFrame:
        """Its rows."""

    @property
    def table(self) -> pl.DataFrame:
        """The rows that a notebook shows."""
        return self.to_frame()

    def __repr__(self) -> str:
        line = _plain(self.sentence)
        return f"<{type(self).__name__}: {line if len(line) <= MOST_CHARACTERS else f'{line[:MOST_CHARACTERS]}...'}>"

    def _repr_html_(self) -> str:
        """What IPython asks for."""
        return f"<div>{to_html(self.table)}<p>{_escaped(_plain(self.sentence))}</p></div>"


def to_html(frame: pl.DataFrame) -> str:
    """The top of a frame as an HTML table, everything in it escaped; nothing for one without rows."""
    if frame.is_empty():
        return ""
    attributes = [NUMBER if kind.is_numeric() else "" for kind in frame.dtypes]
    lines = [_line("th", attributes, frame.columns)]
    lines += [_line("td", attributes, map(_cell, row)) for row in frame.head(MOST_ROWS).iter_rows()]
    more = frame.height - MOST_ROWS
    left = f"<p>... and {more:,} more: .to_frame() has all</p>" if more > 0 else ""
    return f"<table>{''.join(lines)}</table>{left}"


def _line(tag: str, attributes: list[str], cells: Iterable[str]) -> str:
    pairs = zip(attributes, cells, strict=True)
    return f"<tr>{''.join(f'<{tag}{attribute}>{_escaped(cell)}</{tag}>' for attribute, cell in pairs)}</tr>"


def _plain(text: str) -> str:
    """One line, whatever a farm is called.

    >>> _plain("T_\x1b[31m-1")
    'T_?[31m-1'
    """
    return "".join(c if c.isprintable() else "?" for c in text)


def _cell(value: object) -> str:
    """A value for people: thousands apart, and nothing for null.

    >>> _cell(26220), _cell(0.25), _cell(None)
    ('26,220', '0.25', '')
    """
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:,.10g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else _plain(str(value))


def _escaped(text: str) -> str:
    from html import escape  # brings a table of two thousand entities, which a terminal never sees

    return escape(text)
