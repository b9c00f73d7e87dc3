"""How numbers, times and notes are written in data files."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, time
from decimal import Decimal

SMALLEST = Decimal("1e-8")
LARGEST_DIFFICULTY = Decimal("1e28")
TOO_LARGE = Decimal("1e19")
"""Some 70,000 times the difficulty of 2026; in hashes, every difficulty since 2014 is larger than a fifth of it."""
NOTE = re.compile(r"#\s*(\w+):\s*(\S+)\s*$")
NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,4})?", re.ASCII)
GROUPS = re.compile(r"\+?[1-9]\d{0,2}(,\d{3})+(\.\d*)?", re.ASCII)
"""Thousands in groups of three."""
DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+", re.ASCII)
COMPACT = re.compile(r"0x[0-9a-f]+|(?=.*[a-df])[0-9a-f]{8}", re.ASCII | re.IGNORECASE)
"""Difficulty as block headers have it, such as 0x1703a30c."""


class Misread(ValueError):
    """A text that is no number of the kind wanted; says why, or how to write it."""


def positive(text: str) -> Decimal:
    """A number above zero, written 1234, 1234.6, "1,234" or "1234.6"; Misread otherwise.

    >>> positive('"113,757,508,810,853"'), positive("1234.6")
    (Decimal('113757508810853'), Decimal('1234.6'))
    """
    plain = text.strip().strip('"')
    if DECIMAL_COMMA.fullmatch(plain) and not GROUPS.fullmatch(plain):
        raise Misread(f"a decimal comma is not read: write {plain.replace(',', '.')}")
    if "," in plain and not GROUPS.fullmatch(plain):
        raise Misread("commas stand between groups of three digits only")
    number = plain.replace(",", "")
    if not NUMBER.fullmatch(number):
        raise Misread("")
    if (value := Decimal(number)) <= 0:
        raise Misread("")
    return value


def unmistakable(text: str) -> Decimal:
    """As `positive`, but for figures that may well have decimals: 3,125 could be 3.125, and so is no number.

    >>> unmistakable("1,234,567"), unmistakable("3,250.5")
    (Decimal('1234567'), Decimal('3250.5'))
    """
    plain = text.strip().strip('"')
    if DECIMAL_COMMA.fullmatch(plain) and GROUPS.fullmatch(plain):
        one, other = plain.replace(",", "."), plain.replace(",", "")
        raise Misread(f"it may have a decimal comma: write {one} or {other}")
    return positive(text)


def difficulty_number(text: str) -> Decimal:
    """A difficulty, to at most 8 decimals; Misread otherwise."""
    if COMPACT.fullmatch(text.strip()):
        raise Misread("that is the compact form of block headers (bits): give the difficulty")
    number = positive(text)
    if not 1 <= number < LARGEST_DIFFICULTY:
        raise Misread("difficulty is 1 or more and below 1e28")
    if number >= TOO_LARGE:
        raise Misread("that is too large: hashes per block are 2^32 times the difficulty")
    return number.quantize(SMALLEST)


def instant(text: str) -> datetime:
    """A time, UTC unless it says otherwise; a date is its 00:00.

    >>> instant("2024-04-20"), instant("2024-04-20T02:00:00+01:00").isoformat()
    (datetime.datetime(2024, 4, 20, 0, 0, tzinfo=datetime.timezone.utc), '2024-04-20T01:00:00+00:00')
    """
    if len(text) == len("2024-04-20"):
        return midnight(date.fromisoformat(text))
    moment = datetime.fromisoformat(text)
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def midnight(day: date) -> datetime:
    """00:00 UTC of a date."""
    return datetime.combine(day, time(), UTC)


def notes(lines: Iterable[str]) -> dict[str, str]:
    """The `# name: value` comments among the lines of a file."""
    return {found[1]: found[2] for found in map(NOTE.match, lines) if found}
