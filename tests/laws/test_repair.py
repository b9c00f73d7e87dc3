"""Whatever happened to a correct table: every wrong row is found and counted, and the repair undoes exactly that."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recon.core.settings import ChangeLimit
from recon.core.window import Window
from recon.reconcile import fix, survey, value_check, watcher
from recon.reconcile import value_check as values
from recon.reconcile.report import FixReport
from recon.reconcile.request import FixRequest, Job
from recon.reconcile.status import Status
from recon.reference import reference
from recon.values import quarantine
from recon.values.policy import RepairPolicy
from recon.values.verdicts import SURPLUS, WRONG
from tests.support import oracle
from tests.support.builders import fill, source_rows
from tests.support.databases import TABLE, Database, new_database
from tests.support.oracle import Calculation
from tests.support.servers import Server

REFERENCE = reference.load(None, None, None, Path("/nowhere"))
DATES = [date(2024, 3, 31), date(2024, 4, 19), date(2024, 4, 20), date(2024, 10, 27)]
"""46 settlement periods; the last day and the first day of a subsidy; 50 settlement periods."""
WITHOUT_CURTAILMENT = date(2024, 5, 1)
SOURCE = [
    *source_rows(DATES, farms=2, periods=(1, 46), seed=3),
    (DATES[3], 50, "T_FARM-0", "-12.5"),
    (DATES[2], 7, "T_STILL-1", "0"),
]
RIGHT = oracle.calculations(SOURCE)
OTHER_EPOCH = Decimal("108105433845147")
ALL = frozenset({"missing", "wrong", "duplicate", "orphan"})
RUN_IDS = count(1)


def at_the_other_epoch(row: Calculation) -> Decimal:
    """The BTC that a row's energy would mine at another difficulty."""
    return oracle.satoshis(oracle.bitcoin(ENERGY[row[:3]], row[3], OTHER_EPOCH, oracle.subsidy(row[0])))


ENERGY = oracle.energies(SOURCE)
KINDS: dict[str, tuple[str, Callable[[Calculation], tuple[object, object]]]] = {
    "doubled": ("stale", lambda row: (row[4] * 2, row[5])),
    "a factor": ("stale", lambda row: (row[4] * Decimal("1.0339"), row[5])),
    "more": ("stale", lambda row: (row[4] + 1, row[5])),
    "other epoch, both": ("wrong_difficulty", lambda row: (at_the_other_epoch(row), OTHER_EPOCH)),
    "other epoch, difficulty only": ("wrong_difficulty", lambda row: (row[4], OTHER_EPOCH)),
    "no difficulty": ("wrong_difficulty", lambda row: (row[4], 0)),
    "zero": ("zero", lambda row: (0, row[5])),
    "negative": ("negative", lambda row: (-row[4] - 1, row[5])),
    "no number": ("nan", lambda row: ("NaN", row[5])),
    "no number as difficulty": ("nan", lambda row: (row[4], "NaN")),
    "infinite": ("nan", lambda row: ("Infinity", row[5])),
}
"""What can become of a row's BTC and difficulty, and the verdict on it."""


@dataclass(frozen=True)
class Fate:
    """What is stored of a pair: rows as they should be, and rows of one wrong kind; by default one and none."""

    right: int
    kind: str
    wrong: int

    def rows(self, row: Calculation) -> list[tuple]:
        return [row] * self.right + [(*row[:4], *KINDS[self.kind][1](row))] * self.wrong

    def verdicts(self, row: Calculation) -> Counter[str]:
        """What the audit should say, one per row; "missing" when there is none."""
        unharmed = KINDS[self.kind][1](row) == row[4:]  # twice nothing is nothing
        kept = "ok" if self.right or unharmed else KINDS[self.kind][0]
        rows = self.right + self.wrong
        return Counter({kept: 1, "duplicate": rows - 1}) if rows else Counter({"missing": 1})


UNTOUCHED = Fate(1, "more", 0)
FATES = st.builds(Fate, st.integers(0, 2), st.sampled_from(list(KINDS)), st.integers(0, 2))
STRAYS = {
    "former farm": ("orphan", lambda row: (row[0], row[1], row[2] + "_OLD", *row[3:])),
    "no such period": ("orphan", lambda row: (row[0], 51, *row[2:])),
    "no such date": ("orphan", lambda row: (WITHOUT_CURTAILMENT, *row[1:])),
    "unknown model": ("unknown_model", lambda row: (*row[:3], "T17_RETIRED", *row[4:])),
    "neither": ("unknown_model", lambda row: (*row[:2], "T_GONE-1", "s9", *row[4:])),
}
"""Rows made from right ones that nothing asks for, and the verdict on them."""


@dataclass(frozen=True)
class Corruption:
    """What was done to the table RIGHT, and hence what is in it and what should be found."""

    fates: dict[int, Fate]
    strays: list[tuple[int, str]]
    order: int

    @property
    def rows(self) -> list[tuple]:
        rows = [held for n, row in enumerate(RIGHT) for held in self.fates.get(n, UNTOUCHED).rows(row)]
        rows += [STRAYS[kind][1](RIGHT[n]) for n, kind in self.strays]
        random.Random(self.order).shuffle(rows)
        return rows

    @property
    def verdicts(self) -> Counter[tuple]:
        """Rows per date, miner model and verdict."""
        found: Counter[tuple] = Counter()
        for n, row in enumerate(RIGHT):
            for verdict, rows in self.fates.get(n, UNTOUCHED).verdicts(row).items():
                found[row[0], row[3], verdict] += rows
        for n, kind in self.strays:
            verdict, make = STRAYS[kind]
            stray = make(RIGHT[n])
            found[stray[0], stray[3], verdict] += 1
        return +found

    def duplicates(self, *, beside_wrong: bool) -> int:
        """Duplicates of pairs none of whose rows agrees, or of the others."""
        found = (self.fates[n].verdicts(RIGHT[n]) for n in self.fates)
        return sum(counts["duplicate"] for counts in found if any(counts[v] for v in WRONG) is beside_wrong)

    def total(self, *verdicts: str) -> int:
        return sum(rows for (_, _, verdict), rows in self.verdicts.items() if verdict in verdicts)


PAIRS = st.integers(0, len(RIGHT) - 1)
CORRUPTIONS = st.builds(
    Corruption,
    st.dictionaries(PAIRS, FATES, max_size=15),
    st.lists(st.tuples(PAIRS, st.sampled_from(list(STRAYS))), max_size=8),
    st.integers(0, 9),
)
PACES = st.fixed_dictionaries({"batch_dates": st.sampled_from([1, 30]), "workers": st.sampled_from([1, 4])})
FEW = settings(max_examples=6)
FEWER = settings(max_examples=3)
FEWEST = settings(max_examples=2)


@pytest.fixture(scope="module")
def tables(server: Server) -> Iterator[Database]:
    """One database for all examples, with the curtailment in it."""
    database = new_database(server)
    fill(database, SOURCE)
    yield database
    database.drop()


def hold(tables: Database, corruption: Corruption) -> Counter[str]:
    """The calculations of a corruption and nothing else, no ledger either; every row whole, as JSON."""
    tables.execute(f"truncate {TABLE} restart identity")
    tables.execute("drop schema if exists recon cascade")
    if corruption.rows:
        tables.add_calculations(*corruption.rows)
    return tables.whole_rows()


def quarantined(tables: Database) -> Counter[tuple[str, str]]:
    """Reason and whole row of everything in the quarantine."""
    return Counter(tables.rows("select reason, whole_row::text from recon.quarantine"))


def check(tables: Database, workers: int = 2) -> Status:
    """`recon status --values`."""
    job = Job("1", "test", tables.settings, REFERENCE)
    return survey.status(job, Window(), check=value_check.ValueCheck(workers=workers))


def verdicts(status: Status) -> Counter[tuple]:
    """What status and values say together, per date, miner model and verdict."""
    found = Counter(
        {
            (row["settlement_date"], row["miner_model"], row["verdict"]): row["rows"]
            for row in status.values.summary.to_dicts()
        }
    )
    for row in status.counts.to_dicts():
        found[row["settlement_date"], row["miner_model"], "missing"] = row["expected"] - row["matched"]
    return +found


def repair(tables: Database, repairs: frozenset[str] = ALL, **how: int) -> FixReport:
    """`recon fix --repair ... --yes --max-changes 100%`."""
    job = Job(f"run{next(RUN_IDS)}", "fix", tables.settings, REFERENCE)
    request = FixRequest(policy=RepairPolicy(repairs), limit=ChangeLimit.parse("100%"), **how)
    return fix.fix(job, request, watcher=watcher.Watcher())


@FEW
@given(CORRUPTIONS)
def test_every_row_is_judged_as_what_was_done_to_it(tables: Database, corruption: Corruption) -> None:
    hold(tables, corruption)
    status = check(tables)
    assert verdicts(status) == corruption.verdicts
    assert status.total("missing") == corruption.total("missing")
    assert status.total("duplicate") == corruption.total("duplicate")
    assert status.total("orphan") == corruption.total("orphan", "unknown_model")
    assert status.values.wrong == corruption.total(*WRONG)
    assert status.reconciled == (set(corruption.verdicts) == {(row[0], row[3], "ok") for row in RIGHT})


@FEW
@given(CORRUPTIONS, PACES)
def test_a_repair_brings_back_the_right_table_and_a_second_one_changes_nothing(
    tables: Database, corruption: Corruption, pace: dict[str, int]
) -> None:
    hold(tables, corruption)
    report = repair(tables, **pace)
    assert oracle.stored(tables) == RIGHT
    assert report.after.reconciled and report.exit_code == 0
    assert report.inserted == corruption.total("missing", *WRONG)
    assert sum(result.replaced for result in report.results) == corruption.total(*WRONG)
    assert sum(result.removed for result in report.results) == corruption.total(*SURPLUS)
    after, runs = tables.whole_rows(), report.run_id and tables.count("recon.runs")
    again = repair(tables, **pace)
    assert (again.run_id, again.results, again.inserted) == (None, (), 0)
    assert tables.whole_rows() == after
    assert runs in (None, 1) and (runs is None or tables.count("recon.runs") == 1)


@FEW
@given(CORRUPTIONS, PACES)
def test_quarantine_and_table_always_hold_every_original_row(
    tables: Database, corruption: Corruption, pace: dict[str, int]
) -> None:
    """Whole, ids and times included; and the quarantine holds nothing else, each row for the reason found."""
    before = hold(tables, corruption)
    report = repair(tables, **pace)
    taken = quarantined(tables) if report.run_id else Counter()
    rows = Counter({text: n for (_, text), n in taken.items()})
    assert rows + (tables.whole_rows() & before) == before
    reasons = Counter(reason for reason, _ in taken.elements())
    assert reasons == +Counter({verdict: corruption.total(verdict) for verdict in (*WRONG, *SURPLUS)})


@FEW
@given(CORRUPTIONS, st.sets(st.sampled_from(sorted(ALL)), min_size=1))
def test_every_repair_mends_its_own_kind_and_leaves_the_others(
    tables: Database, corruption: Corruption, repairs: set[str]
) -> None:
    hold(tables, corruption)
    repair(tables, frozenset(repairs))
    after = check(tables)
    left = Counter(verdict for _, _, verdict in verdicts(after).elements())
    assert left["missing"] == (0 if "missing" in repairs else corruption.total("missing"))
    if "duplicate" in repairs:
        assert left["duplicate"] == 0
    else:  # rows beside a stale one that are as wrong get the right values, too, and stay
        assert left["duplicate"] == corruption.total("duplicate")
    astray = 0 if "orphan" in repairs else corruption.total("orphan", "unknown_model")
    assert left["orphan"] + left["unknown_model"] == astray
    if "wrong" in repairs:
        assert after.values.wrong == 0
    elif "duplicate" not in repairs:
        assert after.values.wrong == corruption.total(*WRONG)
    else:  # of several rows none of which agrees, one is kept, with the right values
        single = [(RIGHT[n], fate) for n, fate in corruption.fates.items() if fate.right + fate.wrong == 1]
        wrong = sum(1 for row, fate in single for verdict in fate.verdicts(row) if verdict in WRONG)
        assert after.values.wrong == wrong


@FEWEST
@given(CORRUPTIONS)
def test_chunks_of_any_size_and_number_of_workers_say_and_do_the_same(tables: Database, corruption: Corruption) -> None:
    said, done = [], []
    for batch, workers in ((1, 1), (1, 4), (30, 1), (30, 4)):
        hold(tables, corruption)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(values, "CHUNK_ROWS", batch)
            said.append(check(tables, workers).to_dict())
        report = repair(tables, batch_dates=batch, workers=workers)
        removed = "select reason, (whole_row - 'calculated_at')::text, replacement::text from recon.quarantine"
        done.append((oracle.stored(tables), sorted(tables.rows(removed), key=str) if report.run_id else []))
    assert said == said[:1] * 4
    assert done == done[:1] * 4


@FEWER
@given(CORRUPTIONS, PACES)
def test_what_a_repair_took_out_can_be_put_back_whole_and_repaired_again(
    tables: Database, corruption: Corruption, pace: dict[str, int]
) -> None:
    before = hold(tables, corruption)
    run_id = repair(tables, **pace).run_id
    if run_id is None:
        assert before == tables.whole_rows()
        return
    restoring = f"run{next(RUN_IDS)}"
    found = quarantine.restore(tables.settings, run_id, run_id=restoring, dry_run=False, confirm=lambda _: None)
    assert found.restored == corruption.total(*WRONG, *SURPLUS)
    filled = tables.whole_rows() - before
    assert before - tables.whole_rows() == Counter()
    assert filled.total() == corruption.total("missing")
    repair(tables, **pace)
    assert oracle.stored(tables) == RIGHT
