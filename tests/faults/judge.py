"""Whether anything was lost: the whole table against the right answer, and the ledger against the table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from datetime import date
from decimal import Decimal
from functools import cache

from tests.faults.data import SOURCE
from tests.support import oracle
from tests.support.builders import CalcKey
from tests.support.databases import TABLE, Database
from tests.support.oracle import Calculation, Source

NOT_OURS = ("curtailment_records", "notes_of_others")
ROWS = (
    "select id::int8, settlement_date, settlement_period, farm_id, miner_model, bitcoin_mined, difficulty,"
    f" the_row::text || ' ' || xmin::text || ctid::text from {TABLE} the_row"
)
LEDGER = """
select d.settlement_date, sum(d.inserted)::int8 as inserted, bool_or(d.status in ('done', 'skipped')) as done,
    sum((select coalesce(sum(value::numeric), 0) from jsonb_each_text(d.btc))) as btc
from recon.run_dates d join recon.runs r using (run_id) where r.command <> 'quarantine restore' group by 1
"""
UNCLOSED = (
    "select run_id || ' is ' || status from recon.runs where status <> 'done' and jsonb_typeof(parameters) = 'object'"
)
UNFINISHED = """
select r.run_id from recon.runs r where jsonb_typeof(r.parameters) = 'object' and (r.status = 'running' or exists (
    select from recon.run_dates d where d.run_id = r.run_id and d.status not in ('done', 'skipped')))
"""
"""A run whose parameters were damaged cannot be resumed, and is not asked for."""


@dataclass(frozen=True)
class Verdict:
    """What was found wrong, each as a number of rows (`ledger`: of statements that the table contradicts)."""

    missing: int = 0
    duplicate: int = 0
    wrong: int = 0
    touched: int = 0
    ledger: int = 0
    notes: tuple[str, ...] = ()

    @property
    def lost(self) -> int:
        """0, or something is."""
        return self.missing + self.duplicate + self.wrong + self.touched + self.ledger

    def __add__(self, other: Verdict) -> Verdict:
        return Verdict(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


@dataclass
class Truth:
    """What is known of a database from outside: the source, and the rows that are not recon's, exactly as they are."""

    database: Database
    source: Sequence[Source] = tuple(SOURCE)
    others: dict[int, tuple[CalcKey, str]] = field(default_factory=dict)
    """Rows of the calculations that others stored: their key and all of their text, by id."""
    repaired: dict[int, CalcKey] = field(default_factory=dict)
    """Rows that recon was asked to correct where they are: their key, by the id that they keep."""
    tables: dict[str, frozenset[str]] = field(default_factory=dict)

    def remember_tables(self, *more: str) -> None:
        """The tables that recon only reads, and more of others, are from now on to stay as they are."""
        self.tables = {name: _image(self.database, name) for name in {*NOT_OURS, *self.tables, *more}}

    def remember_rows(self, where: str = "true") -> None:
        """These calculations are others': they are to stay as they are."""
        self.others |= {row[0]: (row[1:5], row[7]) for row in self.database.rows(f"{ROWS} where {where}")}

    def hand_over(self, where: str) -> None:
        """recon is asked to repair these calculations: to remove what has no business there, to correct the rest."""
        given = {row[0]: row[1:5] for row in self.database.rows(f"{ROWS} where {where}")}
        for number in given:
            self.others.pop(number, None)
        self.repaired |= {number: key for number, key in given.items() if key in _right(tuple(self.source))}


def _image(database: Database, table: str) -> frozenset[str]:
    return frozenset(
        text for (text,) in database.rows(f"select the_row::text || xmin::text || ctid::text from {table} the_row")
    )


@cache
def _right(source: tuple[Source, ...]) -> dict[CalcKey, Calculation]:
    return {row[:4]: row for row in oracle.calculations(source)}


def judge(truth: Truth, *, finished: bool) -> Verdict:
    """The verdict on what is stored now. Before the work is finished a date may be untouched, but not half done."""
    rows = truth.database.rows(ROWS)
    theirs = {key for key, _ in truth.others.values()}
    right = {key: row for key, row in _right(tuple(truth.source)).items() if key not in theirs}
    ours = [row[1:7] for row in rows if row[0] not in truth.others]
    begun = {row[0] for row in ours}
    stored = Counter(row[1:5] for row in rows)
    missing = [key for key in right if key not in stored and (finished or key[0] in begun)]
    wrong = [row for row in ours if row[:4] not in theirs and right.get(row[:4]) != row]
    table = Verdict(
        missing=len(missing),
        duplicate=sum(count - 1 for count in stored.values()),
        wrong=len(wrong),
        notes=tuple(f"missing {key}" for key in missing[:1]) + tuple(f"wrong {row}" for row in wrong[:1]),
    )
    return table + _touched(truth, rows) + _ledger(truth.database, ours, {key[0] for key in right}, finished)


def _touched(truth: Truth, rows: Sequence[tuple]) -> Verdict:
    now = {row[0]: row[7] for row in rows}
    changed = [text for number, (_, text) in truth.others.items() if now.get(number) != text]
    changed += [f"{number} {key}" for number, key in truth.repaired.items() if number not in now]
    for name, image in truth.tables.items():
        now_there = _image(truth.database, name)
        changed += max(image - now_there, now_there - image, key=len)
    return Verdict(touched=len(changed), notes=tuple(f"touched {text}" for text in changed[:1]))


def _ledger(database: Database, ours: Sequence[Calculation], dates: set[date], finished: bool) -> Verdict:
    """Per date: the rows and the BTC that all runs say they wrote, against what is there."""
    said = {day: rest for day, *rest in database.rows(LEDGER)} if has_ledger(database) else {}
    counts, sums = Counter(row[0] for row in ours), Counter()
    for row in ours:
        sums[row[0]] += row[4]
    found = []
    for day in sorted(dates | set(said)):
        inserted, done, btc = said.get(day, (0, False, Decimal(0)))
        if (inserted, btc) != (counts[day], sums[day]):
            found.append(
                f"the ledger says {inserted} rows of {btc} BTC on {day}, there are {counts[day]} of {sums[day]}"
            )
        if finished and not done:
            found.append(f"the ledger does not say that {day} is done")
    if finished and has_ledger(database):
        found += [text for (text,) in database.rows(UNCLOSED)]
    return Verdict(ledger=len(found), notes=tuple(found[:2]))


def has_ledger(database: Database) -> bool:
    """Whether a run has ever come so far as to create it."""
    return bool(database.scalar("select to_regclass('recon.run_dates') is not null"))


def unfinished(database: Database) -> list[str]:
    """The runs that `recon resume` has something to do for."""
    return [run for (run,) in database.rows(UNFINISHED)] if has_ledger(database) else []
