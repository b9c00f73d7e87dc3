"""Frames, source rows and tables with only what matters to a test; typed even when empty."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import polars as pl

from recon.core.schema import CALC_KEY_SCHEMA, ENERGY, KEY_SCHEMA, MINERS
from tests.support.databases import Database
from tests.support.oracle import MINERS as FIGURES
from tests.support.oracle import Source

DAY = date(2024, 4, 20)
FARMS = ("T_VKNGW-1", "T_SGRWO-6", "E_CLDRW-1", "2__FSSEN001")
MODELS = tuple(FIGURES)

Key = tuple[date, int, str]
CalcKey = tuple[date, int, str, str]


def key_frame(rows: Iterable[Key] = ()) -> pl.DataFrame:
    """One row per KEY."""
    return pl.DataFrame(list(rows), schema=KEY_SCHEMA, orient="row")


def energy_frame(rows: Iterable[tuple[date, int, str, float]] = ()) -> pl.DataFrame:
    """One row per KEY with energy_mwh."""
    return pl.DataFrame(list(rows), schema=ENERGY, orient="row")


def done_frame(rows: Iterable[CalcKey] = ()) -> pl.DataFrame:
    """One row per stored calculation."""
    return pl.DataFrame(list(rows), schema=CALC_KEY_SCHEMA, orient="row")


def miner_frame(models: Iterable[str] = MODELS) -> pl.DataFrame:
    """The miner models by name, with their real figures; unknown names get those of the S9."""
    rows = [(m, float(FIGURES.get(m, FIGURES["S9"])[0]), float(FIGURES.get(m, FIGURES["S9"])[1])) for m in models]
    return pl.DataFrame(rows, schema=MINERS, orient="row")


def terms_frame(
    day: date = DAY, difficulty: str | None = "86388558925171", subsidy: float | None = 3.125
) -> pl.DataFrame:
    """What one date pays."""
    return pl.DataFrame(
        [(day, None if difficulty is None else Decimal(difficulty), subsidy)],
        schema={"settlement_date": pl.Date, "difficulty": pl.Decimal(38, 8), "subsidy_btc": pl.Float64},
        orient="row",
    )


def days(first: date, count: int) -> list[date]:
    """Consecutive dates."""
    return [first + timedelta(days=n) for n in range(count)]


def source_rows(
    dates: Sequence[date], farms: int = 3, periods: Sequence[int] = (1, 24, 46), seed: int = 1
) -> list[Source]:
    """Some curtailment of each date: one or two rows per key, volumes with repeating decimals."""
    chance = random.Random(seed)
    return [
        (day, period, f"T_FARM-{farm}", f"-{Decimal(chance.randrange(1, 20_000)) / 240:.14f}")
        for day in dates
        for period in periods
        for farm in range(farms)
        for _ in range(chance.choice((1, 1, 2)))
    ]


def fill(database: Database, rows: Iterable[Source]) -> list[Source]:
    """The rows as the database's curtailment; returned."""
    kept = list(rows)
    database.add_curtailment(*kept)
    return kept


def later_epochs(last: datetime) -> list[list]:
    """The epochs of difficulty from 2026-06-24 to the one that starts at `last`, as the public address has them."""
    first = datetime(2026, 6, 24, 12, tzinfo=UTC)
    count = -(-(last - first) // timedelta(days=14))
    starts = [first + (last - first) / count * n for n in range(count + 1)]
    return [[int(at.timestamp()), 955_584 + 2016 * n, 125 * 10**12 + n, 1.0] for n, at in enumerate(starts)][::-1]


def write(path: Path, text: str) -> Path:
    """A file of lines that are indented in the test."""
    path.write_text("\n".join(line.strip() for line in text.strip().splitlines()) + "\n", encoding="utf-8")
    return path
