"""SQL files and the literals that are put into them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from functools import cache
from importlib.resources import files


@cache
def _template(name: str) -> str:
    room, _, statement = name.partition("/")
    return files("recon").joinpath(room, "sql", f"{statement}.sql").read_text(encoding="utf-8")


def sql(name: str, **parts: str) -> str:
    """The statement `room/name`, in `recon/room/sql/name.sql`; its `{parts}` (identifiers, fragments) are filled in."""
    return _template(name).format(**parts)


def date_list(dates: Iterable[date]) -> str:
    """Dates as an SQL array. A literal, since a bound value keeps ADBC from reading with COPY (1.5x slower)."""
    return "array[" + ", ".join(f"date '{day.isoformat()}'" for day in dates) + "]::date[]"


def quoted(text: str) -> str:
    r"""A text as SQL, whatever `standard_conforming_strings` is.

    >>> print(quoted("it's \\"))
    E'it''s \\'
    """
    return "E'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def numbers(values: Iterable[int]) -> str:
    """64-bit numbers as an SQL array: one literal, of which a statement takes a hundred thousand.

    >>> numbers([1, -2])
    "'{1,-2}'::int8[]"
    """
    return "'{" + ",".join(map(str, values)) + "}'::int8[]"


def literal(day: date) -> str:
    """A date as SQL."""
    return f"date '{day.isoformat()}'"
