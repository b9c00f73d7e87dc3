"""Every defect that real tables had, planted in a known place and number: all are found, nothing else is, and the
repair brings back the right table; what it took out can be put back to the byte.

The numbers are those of the list of such defects (1-12, 14-18; 13 and the others are not about rows).
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from tests.support import oracle
from tests.support.builders import MODELS
from tests.support.databases import Database, new_database
from tests.support.oracle import Calculation, Source, energies, satoshis
from tests.support.program import Run
from tests.support.servers import Server

Key = tuple[date, int, str]
PAIR = ("settlement_period", "farm_id", "miner_model")
GAP_FINDINGS = {"few_farms", "missing_farms", "missing_periods", "scattered_gaps", "uneven_models"}
ALL = "missing,wrong,duplicate,orphan"
SILENT_DEFAULT = Decimal("108105433845147")
OTHER_EPOCH = Decimal("86388558925171")
HALF = date(2024, 4, 18)
"""Before the halving, where the subsidy of today is half of the right one."""
DATES = [HALF - timedelta(1), HALF, HALF + timedelta(1), *(date(2024, 10, n) for n in range(1, 32))]


def october(day: int) -> date:
    return date(2024, 10, day)


def ordinary() -> list[Source]:
    """Three farms at work in every period of every date, the second with two rows per key; no row like another."""
    return [
        (
            day,
            period,
            f"T_FARM-{n}",
            f"-{1 + Decimal((day.day * 7 + day.month * 11 + period * 13 + n * 29 + row * 5) % 601) / 7:.14f}",
        )
        for day in DATES
        for period in range(1, oracle.periods(day) + 1)
        for n in (1, 2, 3)
        for row in range(2 if n == 2 else 1)
    ]


WHY = {
    **dict.fromkeys((3, 4, 6), "wrong_energy"),
    **dict.fromkeys((5, 8), "wrong_difficulty"),
    7: "wrong_subsidy",
    **dict.fromkeys((9, 10), "wrong_btc"),
    11: "zero",
    12: "negative",
}
"""The cause of the values that a defect leaves wrong."""


@dataclass
class Scene:
    """Source and stored rows with what was done to them, and what must be found: counts by fact, each of a defect."""

    source: list[Source]
    stored: dict[tuple[Any, ...], list[Calculation]] = field(default_factory=dict)
    facts: dict[tuple[Any, ...], Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    touched: Counter[tuple[Any, ...]] = field(default_factory=Counter)

    def expect(self, defect: int, *fact: object, rows: int) -> None:
        self.facts[fact][defect] += rows

    @property
    def wanted(self) -> Counter[tuple[Any, ...]]:
        return Counter({fact: sum(defects.values()) for fact, defects in self.facts.items()})

    @property
    def rows(self) -> list[Calculation]:
        return [row for rows in self.stored.values() for row in rows]

    def of(self, day: date, farm: str = "", models: Iterable[str] = MODELS) -> list[Calculation]:
        """The right rows of a date, in order: of one farm, or of all."""
        found = (rows[0] for key, rows in sorted(self.stored.items()) if key[0] == day and key[3] in models)
        return [row for row in found if row[2] == (farm or row[2])]

    def corrupt(
        self, defect: int, verdict: str, rows: Iterable[Calculation], change: Callable[[Calculation], tuple]
    ) -> None:
        """BTC and difficulty of some rows become what `change` makes of them."""
        for row in rows:
            self.stored[row[:4]] = [(*row[:4], *change(row))]
            self.expect(defect, verdict, row[0], row[3], rows=1)
            self.expect(defect, "why", WHY[defect], row[0], row[3], rows=1)
            self.expect(defect, "finding", "wrong_values", rows=1)
            self.touched["replace", *row[:4]] += 1

    def lose(self, defect: int, rows: Iterable[Calculation]) -> None:
        for row in rows:
            del self.stored[row[:4]]
            self.expect(defect, "missing", row[0], rows=1)

    def cause(self, defect: int, days: Iterable[date], models: Iterable[str], text: str, *, rows: int) -> None:
        ends = (min(days), max(days))
        self.expect(defect, "cause", *ends, tuple(sorted(models, key=MODELS.index)), text, rows=rows)

    def finding(self, defect: int, code: str, rows: int) -> None:
        self.expect(defect, "finding", code, rows=rows)


def btc(energy: Fraction, model: str, day: date, difficulty: Decimal | None = None, subsidy: str = "") -> Decimal:
    exact = oracle.bitcoin(energy, model, difficulty or oracle.difficulty(day), subsidy or oracle.subsidy(day))
    return satoshis(exact)


def plant() -> Scene:
    """The tables with all the defects in them."""
    scene = Scene(ordinary())
    before = energies(scene.source)
    spoil_source(scene)
    scene.stored = {row[:4]: [row] for row in oracle.calculations(scene.source)}
    spoil_difficulty(scene, before)
    spoil_factors(scene)
    spoil_signs(scene)
    spoil_energy(scene, before)
    lose_rows(scene)
    scene.finding(14, "no_unique_index", 1)
    return scene


def spoil_source(scene: Scene) -> None:
    copied = [row for row in scene.source if row[0] == october(2)]
    scene.source += 8 * copied
    scene.finding(1, "copied_rows", 8 * len(copied))

    scene.source += 16_747 * [(october(4), 20, "T_FARM-1", "-1.25")]
    scene.finding(2, "crowded_keys", 1)
    scene.finding(2, "outsize_energy", 1)

    seen = set()
    kept = []
    for row in scene.source:  # "duplicates" deleted by key
        if row[0] != october(6) or row[:3] not in seen:
            kept.append(row)
        seen.add(row[:3])
    scene.source = kept

    scene.source += [(october(23), period, "T_STILL-1", "0") for period in range(10, 15)]
    scene.finding(16, "zero_volume_keys", 5)

    scene.source += [(october(25), 49, "T_FARM-1", "-5")]
    scene.finding(18, "impossible_periods", 1)


def spoil_difficulty(scene: Scene, energy: dict[Key, Fraction]) -> None:
    """5 and 8: BTC of another difficulty, with the row's own or without."""

    def at(difficulty: Decimal) -> Callable[[Calculation], Decimal]:
        return lambda row: btc(energy[row[:3]], row[3], row[0], difficulty)

    day = october(10)
    scene.corrupt(5, "stale", scene.of(day), lambda row: (at(OTHER_EPOCH)(row), row[5]))
    scene.cause(5, [day], MODELS, f"difficulty {OTHER_EPOCH} of the epoch from 2024-04-10", rows=432)

    day = october(14)
    scene.corrupt(
        8, "wrong_difficulty", scene.of(day, "T_FARM-1"), lambda row: (at(SILENT_DEFAULT)(row), SILENT_DEFAULT)
    )
    scene.cause(8, [day], MODELS, f"difficulty {SILENT_DEFAULT} of the epoch from 2025-01-27", rows=144)
    scene.expect(8, "difficulties", day, rows=2)


def times(factor: str | Fraction) -> Callable[[Calculation], tuple]:
    return lambda row: (satoshis(Fraction(row[4]) * Fraction(factor)), row[5])


def spoil_factors(scene: Scene) -> None:
    """6, 7, 9 and 10: constant factors, over a date, a range, a farm's model."""
    unknown = "constant factor {}, cause unknown (energy restated, or an invented factor)"
    day = october(11)
    scene.corrupt(6, "stale", scene.of(day), times("0.982"))
    scene.cause(6, [day], MODELS, unknown.format("0.982"), rows=432)

    for day in (october(12), october(13)):
        scene.corrupt(7, "stale", scene.of(day), times("2"))
    scene.cause(7, [october(12), october(13)], MODELS, "block subsidy 6.25 BTC instead of 3.125 BTC", rows=864)
    scene.corrupt(7, "stale", scene.of(HALF), times("0.5"))
    scene.cause(7, [HALF], MODELS, "block subsidy 3.125 BTC instead of 6.25 BTC", rows=432)

    day, factor = october(16), Fraction(104, 3068) / Fraction(100, 3050)
    assert round(float(factor), 4) == 1.0339
    scene.corrupt(9, "stale", scene.of(day, "T_FARM-2", ["S19J_PRO"]), times(factor))
    scene.cause(9, [day], ["S19J_PRO"], "other miner figures: 104 TH/s at 3068 W", rows=48)

    day = october(18)
    for model, invented in (("S19J_PRO", "0.122"), ("S9", "0.206"), ("M20S", "0.151")):
        scene.corrupt(10, "stale", scene.of(day, models=[model]), times(invented))
        scene.cause(10, [day], [model], unknown.format(invented), rows=144)


def spoil_signs(scene: Scene) -> None:
    """11 and 12: nothing, and less."""
    scene.corrupt(11, "zero", scene.of(october(19), "T_FARM-1", ["S9", "M20S"]), lambda row: (0, row[5]))
    scene.corrupt(12, "negative", scene.of(october(20), "T_FARM-3")[:60], lambda row: (-row[4], row[5]))


def spoil_energy(scene: Scene, energy: dict[Key, Fraction]) -> None:
    """3 and 4: not the energy of all source rows."""
    day = october(6)
    scene.corrupt(3, "stale", scene.of(day, "T_FARM-2"), lambda row: (btc(energy[row[:3]], row[3], row[0]), row[5]))
    scene.cause(3, [day], MODELS, "ratios that differ from key to key", rows=144)

    day = october(8)
    last = {row[:3]: abs(Fraction(row[3])) for row in scene.source if row[0] == day}
    scene.corrupt(4, "stale", scene.of(day, "T_FARM-2")[:30], lambda row: (btc(last[row[:3]], row[3], day), row[5]))
    scene.cause(4, [day], MODELS, "one source row of several instead of their sum", rows=30)
    scene.lose(4, [row for row in scene.of(day) if row[2] != "T_FARM-2" or row[1] > 10])
    scene.finding(4, "few_farms", 1)
    scene.finding(4, "missing_periods", 38)


def lose_rows(scene: Scene) -> None:
    """14 to 18: what counts, distinct periods and loops up to 48 do not see."""
    day = october(21)
    scene.lose(14, [row for row in scene.of(day, "T_FARM-1") if row[1] in (3, 9)])
    for row in scene.of(day, "T_FARM-3")[:3]:
        assert row[1] == 1
        scene.stored[row[:4]] *= 2
        ghost = (*row[:2], "T_GHOST-1", *row[3:])
        scene.stored[ghost[:4]] = [ghost]
        for what, key in (("duplicate", row[:4]), ("orphan", ghost[:4])):
            scene.expect(14, what, day, rows=1)
            scene.expect(14, what, day, row[3], rows=1)
            scene.finding(14, what + "s", 1)
            scene.touched["remove", *key] += 1
    scene.finding(14, "scattered_gaps", 6)

    day = october(22)
    scene.lose(15, [row for row in scene.of(day) if row[2] != "T_FARM-1"])
    scene.finding(15, "few_farms", 1)

    scene.lose(16, scene.of(october(23), "T_STILL-1"))
    scene.finding(16, "missing_farms", 1)

    day = october(24)
    scene.lose(17, [row for row in scene.of(day, models=["S9"]) if row[1] > 16])
    scene.lose(17, [row for row in scene.of(day, models=["M20S"]) if row[1] > 31])
    scene.finding(17, "uneven_models", 1)

    day = october(27)
    scene.lose(18, [row for row in scene.of(day) if row[1] > 48])
    scene.finding(18, "missing_periods", 2)


def facts(document: dict[str, Any]) -> Counter[tuple[Any, ...]]:
    """What `analyze --values --json` says, as counts by fact."""
    found: Counter[tuple[Any, ...]] = Counter()
    for row in document["values"]["dates"]:
        found[row["verdict"], date.fromisoformat(row["date"]), row["miner_model"]] += row["rows"]
    for row in document["values"]["wrong_by_date"]:
        found["why", row["cause"], date.fromisoformat(row["date"]), row["miner_model"]] += row["rows"]
    for row in document["worst_dates"]:
        for name in ("missing", "duplicate", "orphan"):
            found[name, date.fromisoformat(row["date"])] += row[name]
    for cause in document["values"]["causes"]:
        ends = (date.fromisoformat(cause["first"]), date.fromisoformat(cause["last"]))
        found["cause", *ends, tuple(cause["models"]), cause["cause"]] += cause["rows"]
    for mixed in document["values"]["several_difficulties"]:
        found["difficulties", date.fromisoformat(mixed["date"])] += mixed["difficulties"]
    for finding in document["findings"]:
        found["finding", finding["code"]] += finding["count"]
    return +found


@pytest.fixture(scope="module")
def scene() -> Scene:
    return plant()


@pytest.fixture
def spoiled(server: Server, scene: Scene) -> Iterator[Database]:
    database = new_database(server)
    for n in range(0, len(scene.source), 10_000):
        database.add_curtailment(*scene.source[n : n + 10_000])
    for n in range(0, len(scene.rows), 10_000):
        database.add_calculations(*scene.rows[n : n + 10_000])
    database.execute("analyze")
    yield database
    database.drop()


def test_every_defect_is_found_explained_repaired_and_can_be_put_back(
    spoiled: Database, scene: Scene, run_recon: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*arguments: str, code: int) -> dict[str, Any]:
        done = run_recon(*arguments, "--json", url=spoiled.url)
        assert done.returncode == code, done.stdout + done.stderr
        return json.loads(done.stdout)

    found, wanted = facts(run("analyze", "--values", code=1)), scene.wanted
    right = (found & wanted).total()
    precision, recall = right / found.total(), right / wanted.total()
    defects = sorted({defect for planted in scene.facts.values() for defect in planted})
    with capsys.disabled():
        print(f" defects {defects} in {wanted.total():,} places: precision {precision}, recall {recall} ", end="")
    assert defects == [*range(1, 13), *range(14, 19)]
    assert found == wanted
    assert precision == recall == 1.0

    before = spoiled.whole_rows()
    options = ("fix", "--repair", ALL, "--max-changes", "100%")
    planned = run(*options, "--dry-run", code=1)["changes"]
    rows = ((c["action"], date.fromisoformat(c["date"]), *(c[n] for n in PAIR)) for c in planned)
    assert Counter(rows) == scene.touched
    assert spoiled.whole_rows() == before

    report = run(*options, "--yes", code=0)
    assert report["reconciled"] is True
    assert oracle.stored(spoiled) == oracle.calculations(scene.source)
    after = spoiled.whole_rows()
    kept = spoiled.quarantined()
    assert kept == before - after
    assert kept.total() == scene.touched.total() == report["replaced"] + report["removed"]
    clean = run("status", "--values", code=0)["values"]
    assert (clean["wrong"], clean["dates"], clean["causes"], clean["several_difficulties"]) == (0, [], [], [])

    back = run("quarantine", "restore", report["run_id"], "--yes", code=0)
    assert back["restored"] == kept.total()
    assert before - spoiled.whole_rows() == Counter()
    filled = report["inserted"] - report["replaced"]
    assert spoiled.whole_rows().total() == before.total() + filled
    gaps = {fact for fact in wanted if fact[0] == "missing" or fact[1] in GAP_FINDINGS}
    assert facts(run("analyze", "--values", code=1)) == Counter({f: n for f, n in wanted.items() if f not in gaps})
