"""BTC per month and miner model: what is stored, and why there is less than there could be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from itertools import groupby
from typing import Any

import polars as pl

from recon.core.wording import counted
from recon.reconcile.status import Status

NO_CURTAILMENT, NO_DIFFICULTY, NOT_CALCULATED = "no curtailment", "no difficulty is known", "not calculated yet"


@dataclass(frozen=True)
class MonthBtc:
    """One month of a miner model: stored rows and their exact sum, None without any; missing calculations, and how many
    of these are of dates without a known difficulty.
    """

    month: str
    miner_model: str
    rows: int
    btc: Decimal | None
    missing: int
    blocked: int

    @property
    def gap(self) -> str:
        """Why nothing is stored; empty where something is."""
        if self.btc is not None:
            return ""
        if not self.missing:
            return NO_CURTAILMENT
        return NO_DIFFICULTY if self.blocked == self.missing else NOT_CALCULATED

    @property
    def why(self) -> str:
        """What keeps the sum below what it could be; empty where nothing does."""
        if not self.missing:
            return self.gap
        held_up = f", {NO_DIFFICULTY} for {self.blocked:,} of them" if self.blocked else ""
        return f"{counted(self.missing, 'calculation')} missing{held_up}"

    def to_dict(self) -> dict[str, Any]:
        """One entry of `btc_by_month` in the report's JSON."""
        return {**vars(self), "btc": None if self.btc is None else f"{self.btc:f}", "why": self.why}


def by_month(status: Status, stored: pl.DataFrame) -> list[MonthBtc]:
    """Every month from the first to the last with curtailment or calculations, and every miner model in their order;
    models that are not configured come last, and only in months that have rows of theirs.

    stored: one row per settlement date and model, with the BTC as text.
    """
    rows, sums = _sums(stored)
    missing, held_up = _missing(status)
    has_keys = status.dates.filter(pl.col("expected") > 0).get_column("settlement_date").to_list()
    months = span([*(f"{day:%Y-%m}" for day in has_keys), *(month for month, _ in sums)])
    place = {model: number for number, model in enumerate(status.miner_models)}
    pairs = sorted(
        {*sums, *((month, model) for month in months for model in place)},
        key=lambda pair: (pair[0], place.get(pair[1], len(place)), pair[1]),
    )
    return [MonthBtc(*pair, rows[pair], sums.get(pair), missing[pair], held_up[pair]) for pair in pairs]


def _sums(stored: pl.DataFrame) -> tuple[Counter[tuple[str, str]], dict[tuple[str, str], Decimal]]:
    rows: Counter[tuple[str, str]] = Counter()
    sums: dict[tuple[str, str], Decimal] = {}
    with localcontext(prec=200):  # whatever a numeric holds
        for day, model, count, btc in stored.select("settlement_date", "miner_model", "rows", "btc").iter_rows():
            group = (f"{day:%Y-%m}", model)
            rows[group] += count
            sums[group] = sums.get(group, Decimal("0.00000000")) + Decimal(btc)
    return rows, sums


def _missing(status: Status) -> tuple[Counter[tuple[str, str]], Counter[tuple[str, str]]]:
    """Missing calculations by month and model; and those of blocked dates."""
    missing: Counter[tuple[str, str]] = Counter()
    held_up: Counter[tuple[str, str]] = Counter()
    counts = status.counts.select("settlement_date", "miner_model", pl.col("expected") - pl.col("matched"))
    for day, model, count in counts.iter_rows():
        missing[f"{day:%Y-%m}", model] += count
        held_up[f"{day:%Y-%m}", model] += count if day in status.blocked else 0
    return missing, held_up


def span(months: Sequence[str]) -> list[str]:
    """Every month from the first to the last of these.

    >>> span(["2024-02", "2023-11"])
    ['2023-11', '2023-12', '2024-01', '2024-02']
    """
    if not months:
        return []
    first, last = (int(month[:4]) * 12 + int(month[5:]) - 1 for month in (min(months), max(months)))
    return [f"{number // 12:04}-{number % 12 + 1:02}" for number in range(first, last + 1)]


def gaps(rows: Iterable[MonthBtc]) -> list[str]:
    """What interrupts the lines of the chart, in order: the months, the models if not all, and why.

    rows: of adjacent months, in order.
    """
    months = [_gap(list(of_month)) for _, of_month in groupby(rows, key=lambda row: row.month)]
    said = []
    for why, of_months in groupby(months, key=lambda gap: gap[1:]):
        names = [month for month, *_ in of_months]
        when = names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}"
        said += [f"{when}{models}: {reason}" for reason, models in why]
    return said


def _gap(rows: list[MonthBtc]) -> tuple[Any, ...]:
    """A month, and each reason in it with the models it is about."""
    models: dict[str, list[str]] = {}
    for row in rows:
        if row.gap:
            models.setdefault(row.gap, []).append(row.miner_model)
    every = len(rows)
    return rows[0].month, *((why, "" if len(of) == every else f" ({', '.join(of)})") for why, of in models.items())
