"""Dates that lack settlement periods which their neighbours have.

Wind falls asleep without notice, so an empty stretch of a date says little. It is reported only in the middle of a
busy spell: the dates before and after have keys in every settlement period of theirs, they are busy in those that the
date lacks, and the date itself is busy right up to the edge of the gap. Busy means at least half of the date's own
mean of keys per period, and at least BUSY_KEYS where the gap is long, MANY_KEYS where it is short.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta

import polars as pl

from recon.analysis.findings import Finding, ranges
from recon.core.suggestions import fix_command
from recon.core.window import USUAL_PERIODS, periods_in_day

LONG_GAP = 4
"""Settlement periods: two hours."""
BUSY_KEYS, MANY_KEYS = 3, 10
BUSY_SHARE = 0.5

Day = Sequence[int]
"""The keys of each settlement period of a date, from the first to its 46th, 48th or 50th."""


def days(dates: pl.DataFrame) -> dict[date, Day]:
    """dates: one row per settlement date with the lists `periods` and `period_keys`."""
    days: dict[date, Day] = {}
    for day, periods, keys in dates.select("settlement_date", "periods", "period_keys").iter_rows():
        counts = dict(zip(periods or [], keys or [], strict=True))
        days[day] = [counts.get(period, 0) for period in range(1, periods_in_day(day) + 1)]
    return days


def gaps_in(keys: Day) -> Iterator[range]:
    """The stretches of settlement periods without keys.

    >>> list(gaps_in([0, 0, 5, 0, 7]))
    [range(1, 3), range(4, 5)]
    """
    start = None
    for period, count in enumerate((*keys, 1), start=1):
        if count == 0 and start is None:
            start = period
        elif count and start is not None:
            yield range(start, period)
            start = None


def _busy(keys: Day, periods: Iterable[int], at_least: int) -> bool:
    """Whether all of these periods that the date has are busy."""
    held = [count for count in keys if count]
    least = max(at_least, BUSY_SHARE * sum(held) / len(held)) if held else at_least
    return all(keys[period - 1] >= least for period in periods if 1 <= period <= len(keys))


def lacking(before: Day, keys: Day, after: Day) -> list[int]:
    """The settlement periods that a date lacks, by the rule above.

    >>> day = [5] * 48
    >>> lacking(day, [5] * 30 + [0] * 18, day) == list(range(31, 49))
    True
    >>> lacking(day, [5] * 30 + [1] + [0] * 17, day)
    []
    """
    if not any(keys) or not all(before) or not all(after):
        return []
    absent: list[int] = []
    for gap in gaps_in(keys):
        least = BUSY_KEYS if len(gap) >= LONG_GAP else MANY_KEYS
        edges = (gap.start - 1, gap.stop)
        if _busy(keys, edges, least) and _busy(before, gap, least) and _busy(after, gap, least):
            absent.extend(gap)
    return absent


def _neighbours(days: dict[date, Day]) -> Iterator[tuple[date, Day, Day, Day]]:
    one = timedelta(days=1)
    for day, keys in days.items():
        if day - one in days and day + one in days:
            yield day, days[day - one], keys, days[day + one]


def _extra_hour(keys: Day) -> list[int]:
    """Settlement periods 49 and 50, if the date should have them and has not."""
    extra = list(range(USUAL_PERIODS + 1, len(keys) + 1))
    return extra if extra and not any(keys[USUAL_PERIODS:]) else []


def short_dates(dates: pl.DataFrame) -> list[Finding]:
    """Dates that lack periods in the middle of a busy spell (the extra hour of autumn is another finding)."""
    short = {}
    for day, before, keys, after in _neighbours(days(dates)):
        periods = lacking(before, keys, after)
        if periods and periods != _extra_hour(keys):
            short[day] = periods
    if not short:
        return []
    last = max(short)
    example = f"{last} has no settlement periods {ranges(short[last])}, while its neighbours are busy then"
    advice = ("ask the source for them, then '", fix_command(sorted(short)), "'")
    return [Finding("short_dates", "warning", len(short), example, advice, tuple(sorted(short)))]


def clock_change_findings(dates: pl.DataFrame) -> list[Finding]:
    """Autumn clock changes without settlement periods 49 and 50, though it is busy before, after, and on both
    neighbours' late evenings: whatever filled the source stopped at 48."""
    short = []
    for day, before, keys, after in _neighbours(days(dates)):
        late = (USUAL_PERIODS - 1, USUAL_PERIODS)
        busy = all(_busy(d, late, BUSY_KEYS) for d in (before, keys, after)) and _busy(after, (1, 2), BUSY_KEYS)
        if _extra_hour(keys) and busy:
            short.append(day)
    if not short:
        return []
    example = f"{short[-1]} has 50 settlement periods, but no key in 49 and 50"
    advice = ("ask the source for them, then '", fix_command(short), "'")
    return [Finding("short_clock_changes", "info", len(short), example, advice, tuple(short))]
