"""How numbers, times and notes are written in data files."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, time
from decimal import Decimal

SMALLEST = Decimal("1e-8")
LARGEST_DIFFICULTY = Decimal("1e28")
NOTE = re.compile(r"#\s*(\w+):\s*(\S+)\s*$")


def positive(text: str) -> Decimal:
    """A number above zero, written 1234, 1234.6, "1,234" or "1234.6"; ValueError or InvalidOperation otherwise.

    >>> positive('"113,757,508,810,853"'), positive("1234.6")
    (Decimal('113757508810853'), Decimal('1234.6'))
    """
    plain = re.fullmatch(r'[\d,."\s]+([eE][+-]?\d+)?', text)
    number = Decimal(re.sub(r'[",\s]', "", text) if plain else text)
    if not number.is_finite() or number <= 0:
        raise ValueError(text)
    return number


def difficulty_number(text: str) -> Decimal:
    """A difficulty, to at most 8 decimals."""
    number = positive(text)
    if number >= LARGEST_DIFFICULTY:
        raise ValueError(text)
    return number.quantize(SMALLEST)


def instant(text: str) -> datetime:
    """A time, UTC unless it says otherwise; a date is its 00:00.

    >>> instant("2024-04-20"), instant("2024-04-20T02:00:00+01:00").isoformat()
    (datetime.datetime(2024, 4, 20, 0, 0, tzinfo=datetime.timezone.utc), '2024-04-20T01:00:00+00:00')
    """
    if len(text) == len("2024-04-20"):
        return datetime.combine(date.fromisoformat(text), time(), UTC)
    moment = datetime.fromisoformat(text)
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def notes(lines: Iterable[str]) -> dict[str, str]:
    """The `# name: value` comments among the lines of a file."""
    return {found[1]: found[2] for found in map(NOTE.match, lines) if found}
