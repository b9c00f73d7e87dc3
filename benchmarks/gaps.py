"""What is missing from a table as it is found: 32 % of the rows, something on most dates."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from math import floor

from benchmarks.answers import WrongAnswer

FILLED, WITHIN = 0.68, 0.005
EMPTY, HALVES, MODELS = 0.14, 0.08, 0.06
"""Of all rows: missing because the whole date is empty, half a day, a single model for the whole date. What is left to
1 - FILLED is scattered over the other dates.
"""
HALF = 24
"""The last settlement period of the first half of a day."""
PARTS = 100_000
SCATTER = "(hashtextextended(farm_id || miner_model || settlement_period, settlement_date - date '2000-01-01') "
SCATTER += f"% {PARTS} + {PARTS}) % {PARTS}"


@dataclass(frozen=True)
class Day:
    """A date's rows in the complete table: all, those of the first half of the day, and how many models they have."""

    day: date
    rows: int
    first_half: int
    models: int

    def half(self, late: bool) -> int:
        """The rows of one half."""
        return self.rows - self.first_half if late else self.first_half


def as_found(days: Sequence[Day], models: Sequence[str], seed: int) -> str:
    """The rows that are missing, as an SQL condition; the same for the same seed.

    Dates are drawn until each kind of gap has its share. The scattered holes make up for what whole dates cannot
    meet exactly.
    """
    draw = random.Random(seed)
    left = draw.sample(days, len(days))
    total = sum(day.rows for day in days)
    missing = 0
    whole: list[date] = []
    late: dict[bool, list[date]] = {False: [], True: []}
    by_model: dict[str, list[date]] = {model: [] for model in models}

    while missing < EMPTY * total:
        day = left.pop()
        whole.append(day.day)
        missing += day.rows
    while missing < (EMPTY + HALVES) * total:
        day, is_late = left.pop(), draw.random() < 0.5
        late[is_late].append(day.day)
        missing += day.half(is_late)
    while missing < (EMPTY + HALVES + MODELS) * total:
        day = left.pop()
        by_model[draw.choice(models)].append(day.day)
        missing += day.rows // day.models
    scattered = floor(PARTS * ((1 - FILLED) * total - missing) / sum(day.rows for day in left))
    conditions = [
        _on(whole),
        f"{_on(late[False])} and settlement_period <= {HALF}",
        f"{_on(late[True])} and settlement_period > {HALF}",
        *(f"{_on(dates)} and miner_model = '{model}'" for model, dates in by_model.items()),
        f"{_on([day.day for day in left])} and {SCATTER} < {scattered}",
    ]
    return "(" + " or ".join(f"({condition})" for condition in conditions) + ")"


def _on(days: Sequence[date]) -> str:
    return "settlement_date = any ('{" + ",".join(day.isoformat() for day in sorted(days)) + "}'::date[])"


def check(missing: int, rows: int) -> None:
    """WrongAnswer unless as much is stored as should be."""
    stored = 1 - missing / rows
    if abs(stored - FILLED) > WITHIN:
        raise WrongAnswer(f"{stored:.2%} of the rows are stored instead of {FILLED:.0%}")
