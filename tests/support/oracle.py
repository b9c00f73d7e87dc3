"""What must come out, worked out in another way: plain SQL, and exact rational arithmetic instead of floats.

Nothing here imports recon's computing code; the figures are written down once more.
"""

from __future__ import annotations

import csv
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from tests.support.databases import TABLE, Database

MINERS = {"S19J_PRO": ("100", 3050), "S9": ("13.5", 1323), "M20S": ("68", 3360)}
"""Hashrate in TH/s and power in W."""
HALVINGS = [(date(2016, 7, 9), "12.5"), (date(2020, 5, 11), "6.25"), (date(2024, 4, 20), "3.125")]
EPOCHS = Path(__file__).parents[2] / "data" / "difficulty.csv"
SATOSHI = Decimal("1e-8")

Source = tuple[date, int, str, str]
"""One source row: settlement date, period, farm, volume in MWh as it is written."""
Calculation = tuple[date, int, str, str, Decimal, Decimal]
"""One stored row: settlement date, period, farm, miner model, BTC, difficulty."""


def bitcoin(energy_mwh: Decimal | Fraction, model: str, difficulty: Decimal | int, subsidy: str) -> Fraction:
    """The exact BTC: hashes = seconds at full power x hashes a second; a block takes difficulty x 2^32 of them."""
    terahashes, watts = MINERS[model]
    seconds = Fraction(energy_mwh) * 3600 * 10**6 / watts
    hashes = seconds * Fraction(terahashes) * 10**12
    return hashes / (Fraction(difficulty) * 2**32) * Fraction(subsidy)


def satoshis(btc: Fraction) -> Decimal:
    """Exact BTC rounded to 8 decimals, half to even."""
    return (SATOSHI * round(btc * 10**8)).quantize(SATOSHI, ROUND_HALF_EVEN)


@cache
def _epochs() -> tuple[list[datetime], list[Decimal]]:
    lines = (line for line in EPOCHS.read_text().splitlines() if not line.startswith("#"))
    rows = list(csv.DictReader(lines))
    return [datetime.fromisoformat(r["starts_at_utc"]) for r in rows], [Decimal(r["difficulty"]) for r in rows]


def difficulty(day: date) -> Decimal:
    """The one in force at 00:00 UTC."""
    starts, values = _epochs()
    return values[bisect_right(starts, datetime.fromisoformat(f"{day}T00:00:00Z")) - 1]


def subsidy(day: date) -> str:
    """The block subsidy of that day in BTC."""
    return [btc for start, btc in HALVINGS if start <= day][-1]


def periods(day: date) -> int:
    """The half hours between two London midnights."""
    london = ZoneInfo("Europe/London")
    start, end = (datetime(d.year, d.month, d.day, tzinfo=london).timestamp() for d in (day, day + timedelta(1)))
    return int(end - start) // 1800


def energies(rows: Iterable[Source]) -> dict[tuple[date, int, str], Fraction]:
    """The exact energy of every key in MWh."""
    sums: dict[tuple[date, int, str], Fraction] = defaultdict(Fraction)
    for day, period, farm, volume in rows:
        if volume is not None and volume != "NaN" and 1 <= period <= periods(day):
            sums[day, period, farm] += abs(Fraction(volume))
    return dict(sums)


def usable(energy: Mapping[tuple[date, int, str], Fraction], model: str) -> dict[tuple[date, int, str], Fraction]:
    """The energy that whole machines can use: floored once per settlement period, then shared by farm energy."""
    totals: dict[tuple[date, int], Fraction] = defaultdict(Fraction)
    for (day, period, _), mwh in energy.items():
        totals[day, period] += mwh
    machine = Fraction(MINERS[model][1]) / 2 / 10**6
    shares = {key: (total // machine) * machine / total if total else Fraction(0) for key, total in totals.items()}
    return {key: mwh * shares[key[:2]] for key, mwh in energy.items()}


def calculations(rows: Iterable[Source], *, whole: bool = False) -> list[Calculation]:
    """Every row that the calculations table should hold in the end, sorted."""
    energy = energies(rows)
    found = []
    for model in MINERS:
        for (day, period, farm), mwh in (usable(energy, model) if whole else energy).items():
            in_force = difficulty(day)
            btc = satoshis(bitcoin(mwh, model, in_force, subsidy(day)))
            found.append((day, period, farm, model, btc, in_force))
    return sorted(found)


def stored(database: Database, table: str = TABLE) -> list[Calculation]:
    """Every row that the table holds, sorted; ids and times aside."""
    return sorted(
        database.rows(
            "select settlement_date, settlement_period, farm_id, miner_model, bitcoin_mined::numeric,"
            f" difficulty::numeric from {table}"
        )
    )


STATUS = """
with source as (
    select settlement_date as d, settlement_period as p, farm_id as f,
        volume is not null and volume <> 'NaN' and settlement_period between 1 and (extract(epoch from
            ((settlement_date + 1)::timestamp at time zone 'Europe/London')
            - (settlement_date::timestamp at time zone 'Europe/London')) / 1800)::int as good
    from curtailment_records where settlement_date between date '{first}' and date '{last}'
), keys as (select distinct d, p, f from source where good
), expected as (select d, p, f, m from keys cross join (values ('S19J_PRO'), ('S9'), ('M20S')) models (m)
), stored as (
    select settlement_date as d, settlement_period as p, farm_id as f, miner_model as m
    from historical_bitcoin_calculations where settlement_date between date '{first}' and date '{last}'
), matched as (select d, p, f, m, count(*) as n from expected join stored using (d, p, f, m) group by 1, 2, 3, 4
), orphans as (
    select d from stored where not exists (
        select from expected e where (e.d, e.p, e.f, e.m) = (stored.d, stored.p, stored.f, stored.m))
), days as (
    select d,
        (select count(*) from expected e where e.d = a.d) as expected,
        (select count(*) from matched e where e.d = a.d) as matched,
        coalesce((select sum(n - 1) from matched e where e.d = a.d), 0)::int8 as duplicate,
        (select count(*) from orphans e where e.d = a.d) as orphan
    from (select d from source union select d from stored) a
)
select d, expected, matched, expected - matched as missing, duplicate, orphan,
    (select count(*) from source s where s.d = days.d) as curtailment_rows,
    (select count(*) from source s where s.d = days.d and not good) as invalid,
    (select count(*) from keys k where k.d = days.d) as keys
from days order by d
"""
DATE_COUNTS = ("expected", "matched", "missing", "duplicate", "orphan", "curtailment_rows", "invalid", "keys")


def status_by_date(
    database: Database, first: str = "1900-01-01", last: str = "2999-12-31"
) -> dict[date, dict[str, int]]:
    """The counts of every date, by one SQL statement."""
    rows = database.rows(STATUS.format(first=first, last=last))
    return {day: dict(zip(DATE_COUNTS, counts, strict=True)) for day, *counts in rows}


def status(database: Database, first: str = "1900-01-01", last: str = "2999-12-31") -> dict[str, Any]:
    """The part of `recon status --json` that counts rows."""
    days = status_by_date(database, first, last).values()
    found: dict[str, Any] = {name: sum(day[name] for day in days) for name in DATE_COUNTS}
    off = [day for day in days if day["missing"] or day["duplicate"] or day["orphan"]]
    priced = [day for day in days if day["expected"]]
    empty = sum(1 for day in priced if not day["matched"])
    partial = sum(1 for day in off if day["expected"]) - empty
    complete = len(priced) - empty - partial
    found["dates"] = {"total": len(priced), "complete": complete, "partial": partial, "empty": empty}
    found["reconciled"] = not off
    return found
