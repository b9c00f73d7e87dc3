"""Settlement runs beside each other are told from farms that were accepted several times: on many invented tables,
whatever was planted in their dates.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable
from datetime import date, timedelta

import pytest

from tests.support.databases import Database
from tests.support.program import Run

Row = tuple[int, str, float, int]
"""Settlement period, farm, MWh, price."""
Dealer = random.Random
SEEDS = range(12)
FIRST = date(2024, 1, 1)


def acceptances(dealer: Dealer, farms: int, keys: int, most: int) -> list[Row]:
    """The rows of an ordinary date: some keys of some farms, each with one to `most` acceptances of any size."""
    pairs = [(period, f"T_FARM-{farm}") for period in range(1, 47) for farm in range(farms)]
    return [
        (period, farm, round(dealer.choice((dealer.uniform(0.05, 90), dealer.expovariate(0.2) + 0.05)), 3), price)
        for period, farm in dealer.sample(pairs, min(keys, len(pairs)))
        for price in range(dealer.randint(1, most))
    ]


def later(dealer: Dealer, rows: Iterable[Row]) -> list[Row]:
    """The same rows in another settlement run: a few per cent more or less, some of them as they were."""
    return [
        (period, farm, round(mwh * dealer.choice((1, 1 + dealer.uniform(-0.04, 0.04))), 4), price)
        for period, farm, mwh, price in rows
    ]


Plan = Callable[[Dealer], list[Row]]
Chosen = Callable[[Row], bool]


def ordinary(farms: int, keys: int, most: int) -> Plan:
    return lambda dealer: acceptances(dealer, farms, keys, most)


def then(first: Plan, which: Chosen = lambda _: True, *, runs: int = 1) -> Plan:
    """A date and later runs of some of its rows."""

    def rows(dealer: Dealer) -> list[Row]:
        held = first(dealer)
        return [*held, *(row for _ in range(runs) for row in later(dealer, filter(which, held)))]

    return rows


def copied(first: Plan, which: Chosen = lambda _: True) -> Plan:
    """A date some of whose rows are there a second time, as they are."""
    return lambda dealer: [*(held := first(dealer)), *filter(which, held)]


def by_key(share: float) -> Chosen:
    """A share of the keys, whatever farm or settlement period they are of."""
    return lambda row: random.Random(f"{row[:2]}").random() < share


MANY, FEW, ONE, SINGLE = ordinary(20, 300, 3), ordinary(5, 60, 2), ordinary(1, 40, 2), ordinary(12, 200, 1)
ONE_RUN: dict[str, Plan] = {
    "one acceptance a key": SINGLE,
    "up to three acceptances": MANY,
    "up to twelve acceptances": ordinary(8, 120, 12),
    "a few farms": FEW,
    "one farm": ONE,
    "hardly any key": ordinary(3, 4, 2),
    "a fifth of the keys with acceptances of nearly one size": then(SINGLE, by_key(0.2)),
    "half of the keys with acceptances of nearly one size": then(SINGLE, by_key(0.5)),
    "one farm of many in steady pairs": then(MANY, lambda row: row[1] == "T_FARM-3"),
    "exact copies": copied(MANY),
    "exact copies of half of the farms": copied(MANY, lambda row: int(row[1][7:]) % 2 == 0),
}
SEVERAL_RUNS: dict[str, Plan] = {
    "a later run": then(MANY),
    "a later run of single acceptances": then(SINGLE),
    "a later run of up to six acceptances": then(ordinary(8, 120, 6)),
    "a later run of a few farms": then(FEW),
    "a later run of one farm": then(ONE),
    "a later run of a quiet date": then(ordinary(4, 10, 3)),
    "two later runs": then(MANY, runs=2),
    "a later run of half of the farms": then(MANY, lambda row: int(row[1][7:]) < 10),
    "a later run that broke off": then(MANY, lambda row: row[0] <= 23),
    "a later run of every other settlement period": then(ordinary(10, 300, 2), lambda row: row[0] % 2 == 0),
    "copies, and a later run of all": then(copied(FEW, lambda row: row[0] < 9)),
}
PLANS = ONE_RUN | SEVERAL_RUNS


def put(database: Database, dates: dict[date, list[Row]]) -> None:
    rows = [(day, *row) for day, of_day in dates.items() for row in of_day]
    for start in range(0, len(rows), 5000):
        values = ", ".join(
            f"('{day}'::date, {period}, '{farm}', {-mwh}, 0, {-price}, 0)"
            for day, period, farm, mwh, price in rows[start : start + 5000]
        )
        database.execute(
            "insert into curtailment_records (settlement_date, settlement_period, farm_id, volume, payment, "
            f"original_price, final_price) values {values}"
        )


@pytest.fixture
def planted(database: Database) -> tuple[Database, dict[date, str]]:
    """A date of every plan and seed; the plans' names by date."""
    names = [name for _ in SEEDS for name in PLANS]
    named = {FIRST + timedelta(days=number): name for number, name in enumerate(names)}
    dates = {}
    for number, (day, name) in enumerate(named.items()):
        dealer = random.Random(number)
        dates[day] = PLANS[name](dealer)
        dealer.shuffle(dates[day])
    put(database, dates)
    return database, named


def test_every_date_with_several_runs_is_found_and_no_other(
    planted: tuple[Database, dict[date, str]], run_recon: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    database, named = planted
    found = json.loads(run_recon("analyze", "--json", url=database.url).stdout)["findings"]
    (several,) = (finding for finding in found if finding["code"] == "several_runs")
    reported = set(map(date.fromisoformat, several["dates"]))
    wanted = {day for day, name in named.items() if name in SEVERAL_RUNS}
    right = len(reported & wanted)
    with capsys.disabled():
        print(f" {len(named)} dates: precision {right / len(reported)}, recall {right / len(wanted)} ", end="")
    assert {named[day] for day in reported ^ wanted} == set()
