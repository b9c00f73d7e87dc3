"""Numbers with their nouns, and dates, as they stand in sentences."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal


def counted(number: int, one: str, many: str | None = None) -> str:
    """A number of things.

    >>> counted(1, "date"), counted(1200, "date")
    ('1 date', '1,200 dates')
    """
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def changed(written: int, replaced: int, removed: int) -> str:
    """What became of rows; what did not happen is left out, unless nothing did.

    >>> changed(0, 12, 3), changed(1, 0, 0), changed(0, 0, 0)
    ('12 rows replaced, 3 removed', '1 row written', '0 rows written')
    """
    kinds = ((written, "written"), (replaced, "replaced"), (removed, "removed"))
    (count, what), *others = [kind for kind in kinds if kind[0]] or [(0, "written")]
    return ", ".join([f"{counted(count, 'row')} {what}", *(f"{count:,} {what}" for count, what in others)])


def between(first: date, last: date) -> str:
    """The dates from the first to the last.

    >>> between(date(2024, 4, 20), date(2024, 4, 21)), between(date(2024, 4, 20), date(2024, 4, 20))
    ('2024-04-20 to 2024-04-21', '2024-04-20')
    """
    return f"{first}" if first == last else f"{first} to {last}"


def window(first: date | None, last: date | None) -> str:
    """A window whose ends may be open.

    >>> window(date(2024, 6, 5), date(2024, 6, 5)), window(None, date(2024, 6, 5)), window(None, None)
    ('2024-06-05', 'through 2024-06-05', 'all dates')
    """
    if first and last:
        return between(first, last)
    return f"from {first} on" if first else f"through {last}" if last else "all dates"


def which(days: Sequence[date]) -> str:
    """Some dates: the only one, or how many and the earliest.

    >>> which([date(2024, 4, 21), date(2024, 4, 20)]), which([date(2024, 4, 20)])
    ('2 dates (first 2024-04-20)', '2024-04-20')
    """
    return f"{days[0]}" if len(days) == 1 else f"{len(days):,} dates (first {min(days)})"


def amount(btc: Decimal | float | str | None) -> str:
    """BTC with all eight decimals, and more where it has more.

    >>> amount(Decimal("1E-5")), amount(1234.5), amount("0.1234567891"), amount(Decimal("NaN")), amount(None)
    ('0.00001000', '1,234.50000000', '0.1234567891', 'NaN', 'null')
    """
    if btc is None:
        return "null"
    exact = Decimal(str(btc))
    if not exact.is_finite():
        return str(btc)
    digits = f"{exact:f}".partition(".")[2].rstrip("0")
    return f"{exact:,.{max(8, len(digits))}f}"


def would_change(rows: int) -> str:
    """What is asked before stored rows change."""
    return f"{counted(rows, 'stored row')} would be replaced or removed"
