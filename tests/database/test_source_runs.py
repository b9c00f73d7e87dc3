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


def nearly_equal(dealer: Dealer, rows: Iterable[Row], share: float) -> list[Row]:
    """Rows to which others of nearly their size are added: legitimate ones, of a share of the keys."""
    return [row for row in rows if dealer.random() < share and row[3] == 0]


Plan = Callable[[Dealer], list[Row]]


def plans() -> dict[str, tuple[bool, Plan]]:
    """What is planted, by its name: whether it is several settlement runs, and the rows of a date."""

    def of(farms: int, keys: int, most: int) -> Callable[[Dealer], list[Row]]:
        return lambda dealer: acceptances(dealer, farms, keys, most)

    def run(make: Plan, which: Callable[[Row], bool] = lambda _: True, runs: int = 2) -> Plan:
        def rows(dealer: Dealer) -> list[Row]:
            first = make(dealer)
            covered = [row for row in first if which(row)]
            return [*first, *(row for _ in range(runs - 1) for row in later(dealer, covered))]

        return rows

    def copied(make: Plan, which: Callable[[Row], bool] = lambda _: True) -> Plan:
        def rows(dealer: Dealer) -> list[Row]:
            first = make(dealer)
            return first + [row for row in first if which(row)]

        return rows

    def twins(make: Plan, share: float) -> Plan:
        def rows(dealer: Dealer) -> list[Row]:
            first = make(dealer)
            return first + later(dealer, nearly_equal(dealer, first, share))

        return rows

    def steady(make: Plan, farm: str) -> Plan:
        def rows(dealer: Dealer) -> list[Row]:
            first = make(dealer)
            return first + later(dealer, [row for row in first if row[1] == farm])

        return rows

    many, few, one = of(20, 300, 3), of(5, 60, 2), of(1, 40, 2)
    return {
        "one acceptance a key": (False, of(12, 200, 1)),
        "up to three acceptances": (False, many),
        "up to twelve acceptances": (False, of(8, 120, 12)),
        "a few farms": (False, few),
        "one farm": (False, one),
        "hardly any key": (False, of(3, 4, 2)),
        "every fifth key with a second acceptance of its size": (False, twins(of(12, 200, 2), 0.2)),
        "one farm of many in steady pairs": (False, steady(many, "T_FARM-3")),
        "exact copies": (False, copied(many)),
        "exact copies of half of the farms": (False, copied(many, lambda row: int(row[1][7:]) % 2 == 0)),
        "a later run": (True, run(many)),
        "a later run of single acceptances": (True, run(of(12, 200, 1))),
        "a later run of many acceptances": (True, run(of(8, 120, 6))),
        "a later run of a few farms": (True, run(few)),
        "a later run of one farm": (True, run(one)),
        "a later run of a quiet date": (True, run(of(4, 10, 3))),
        "two later runs": (True, run(many, runs=3)),
        "a later run of half of the farms": (True, run(many, lambda row: int(row[1][7:]) < 10)),
        "a later run that broke off": (True, run(many, lambda row: row[0] <= 23)),
        "a later run of every other settlement period": (True, run(of(10, 300, 2), lambda row: row[0] % 2 == 0)),
        "copies and a later run": (True, run(copied(few, lambda row: row[0] < 9))),
    }


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
    """A date of every kind and seed; the kinds by date."""
    kinds: dict[date, str] = {}
    dates: dict[date, list[Row]] = {}
    for seed in SEEDS:
        for number, (name, (_, make)) in enumerate(plans().items()):
            day = FIRST + timedelta(days=len(kinds))
            kinds[day] = name
            dealer = random.Random(seed * 1000 + number)
            dates[day] = make(dealer)
            dealer.shuffle(dates[day])
    put(database, dates)
    return database, kinds


def test_every_date_with_several_runs_is_found_and_no_other(
    planted: tuple[Database, dict[date, str]], run_recon: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    database, kinds = planted
    found = json.loads(run_recon("analyze", "--json", url=database.url).stdout)["findings"]
    (several,) = (finding for finding in found if finding["code"] == "several_runs")
    reported = set(map(date.fromisoformat, several["dates"]))
    wanted = {day for day, name in kinds.items() if plans()[name][0]}
    right = len(reported & wanted)
    with capsys.disabled():
        print(f" {len(kinds)} dates: precision {right / len(reported)}, recall {right / len(wanted)} ", end="")
    assert {kinds[day] for day in reported ^ wanted} == set()
    assert reported == wanted
