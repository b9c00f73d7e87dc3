"""Filling reads rows once, inside the chunk, and of those only the settlement periods that may lack some."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

import recon
from recon.postgres.tables import Tables
from tests.support import oracle
from tests.support.builders import DAY, days, fill, source_rows
from tests.support.databases import TABLE, Database

DATES = days(DAY, 4)
PERIODS = range(1, 9)


@pytest.fixture
def holes(database: Database) -> Database:
    """Four dates, all filled but for one key of one model on each, in settlement period 3."""
    right = oracle.calculations(fill(database, source_rows(DATES, farms=10, periods=PERIODS)))
    database.add_calculations(*right)
    database.execute(f"delete from {TABLE} where settlement_period = 3 and farm_id = 'T_FARM-1' and miner_model = 'S9'")
    return database


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Which row by row reads there were, and of how many rows."""
    seen: list[tuple[str, int]] = []
    for name in ("keys", "done", "scan", "values", "keys_of", "done_hashes"):
        read = getattr(Tables, name)

        def noted(tables: Tables, *asked: Any, read: Any = read, name: str = name, **how: Any) -> Any:
            rows = read(tables, *asked, **how)
            seen.append((name, (rows[0] if isinstance(rows, tuple) else rows).height))
            return rows

        monkeypatch.setattr(Tables, name, noted)
    return seen


def exact(database: Database) -> None:
    rows = database.rows("select settlement_date, settlement_period, farm_id, volume::text from curtailment_records")
    assert oracle.stored(database) == oracle.calculations(rows)


def test_only_the_periods_that_lack_rows_are_read_and_once(holes: Database, reads: list[tuple[str, int]]) -> None:
    report = recon.fix(database_url=holes.url)
    assert (report.inserted, report.after.reconciled) == (len(DATES), True)
    most = Counter[str]()
    for name, rows in reads:
        most[name] += rows
    assert most == {"done_hashes": 0, "keys_of": len(DATES)}  # a key that is missing alone is told by the checksums
    exact(holes)


def test_of_a_period_with_many_keys_only_parts_are_read(database: Database, reads: list[tuple[str, int]]) -> None:
    """Two keys that lack a row are hardly ever in the same part of it; and then the others of that part are read."""
    farms = 100
    right = oracle.calculations(fill(database, source_rows([DAY], farms=farms, periods=range(1, 49))))
    database.add_calculations(*right)
    three = "settlement_period = 3 and farm_id in ('T_FARM-1', 'T_FARM-2', 'T_FARM-3')"
    database.execute(f"delete from {TABLE} where {three} and miner_model = 'S9'")
    report = recon.fix(database_url=database.url)
    assert (report.inserted, report.after.reconciled) == (3, True)
    assert 3 <= sum(rows for name, rows in reads if name == "keys_of") < farms / 3
    exact(database)


def test_a_row_too_many_does_not_hide_that_two_are_missing(holes: Database) -> None:
    """By number one row lacks, but the difference of the checksums is no key's hash: then the period is compared."""
    columns = "settlement_date, settlement_period, farm_id, miner_model, bitcoin_mined, difficulty"
    where = "settlement_period = 3 and miner_model = 'S9' and farm_id = 'T_FARM-2'"
    holes.execute(f"insert into {TABLE} ({columns}) select {columns} from {TABLE} where {where}")
    holes.execute(f"delete from {TABLE} where {where.replace('-2', '-3')}")
    planned = recon.plan(database_url=holes.url)
    assert (planned.after.total("missing"), planned.after.total("duplicate")) == (8, 4)
    report = recon.fix(database_url=holes.url)
    assert (report.inserted, report.after.total("missing"), report.after.total("duplicate")) == (8, 0, 4)


@pytest.mark.parametrize(
    "change", ["bitcoin_mined = bitcoin_mined + 0.00000001", "difficulty = difficulty + 1", "farm_id = 'T_OTHER'"]
)
def test_a_row_that_was_there_may_not_change_while_others_are_written(holes: Database, change: str) -> None:
    """Its values are not summed, but hashed."""
    holes.execute(
        "create function meddle() returns trigger language plpgsql as $$ begin"
        f" update {TABLE} set {change} where settlement_period = 5 and farm_id = 'T_FARM-4' and miner_model = 'M20S'"
        " and settlement_date = new.settlement_date; return new; end $$"
    )
    holes.execute(f"create trigger meddle before insert on {TABLE} for each row execute function meddle()")
    before = oracle.stored(holes)
    report = recon.fix(database_url=holes.url)
    assert {result.status for result in report.results} == {"failed"}
    assert oracle.stored(holes) == before


def test_a_dry_run_counts_what_lacks_exactly_where_other_rows_are_surplus(holes: Database) -> None:
    """By their numbers alone a row seems to be missing on no date."""
    for day in DATES:
        holes.add_calculations((day, 3, "T_GONE-1", "S9", "1", "1"))
    planned = recon.plan(database_url=holes.url)
    assert [result.missing for result in planned.results] == [1] * len(DATES)
    assert (planned.after.total("missing"), planned.after.total("orphan")) == (len(DATES), len(DATES))
    report = recon.fix(database_url=holes.url)
    assert (report.inserted, report.after.total("missing"), report.after.total("orphan")) == (4, 0, 4)


def test_dates_that_could_not_be_filled_are_counted_exactly_in_the_end(holes: Database) -> None:
    """Two rows lack on the first date and an orphan is there: by numbers, one row lacks."""
    holes.execute(f"delete from {TABLE} where settlement_period = 5 and farm_id = 'T_FARM-2' and miner_model = 'S9'")
    holes.add_calculations((DATES[0], 5, "T_GONE-1", "S9", "1", "1"))
    holes.execute("create function refuse() returns trigger language plpgsql as $$ begin raise 'not this one'; end $$")
    holes.execute(
        f"create trigger refuse before insert on {TABLE} for each row when (new.settlement_date = '{DATES[0]}')"
        " execute function refuse()"
    )
    report = recon.fix(database_url=holes.url)
    assert [result.status for result in report.results if result.day == DATES[0]] == ["failed"]
    assert (report.inserted, report.after.total("missing"), report.after.total("orphan")) == (6, 2, 1)
    assert report.after.bounds == frozenset()


def test_nothing_is_planned_of_dates_that_have_surplus_rows_only(database: Database) -> None:
    database.add_calculations(*oracle.calculations(fill(database, source_rows(DATES, periods=PERIODS))))
    for day in DATES:
        database.add_calculations((day, 3, "T_GONE-1", "S9", "1", "1"))
    report = recon.fix(database_url=database.url)
    assert (report.run_id, report.results, report.after.total("orphan")) == (None, (), len(DATES))


def test_rows_without_a_settlement_period_are_orphans_of_their_date(database: Database) -> None:
    database.add_calculations(*oracle.calculations(fill(database, source_rows(DATES, periods=PERIODS)))[1:])
    database.execute(f"alter table {TABLE} alter settlement_period type int8, alter settlement_period drop not null")
    strange = (None, 2**40 + 3, -(2**63), 2**63 - 1, -3)
    database.add_calculations(*((DATES[0], period, "T_FARM-1", "S9", "1", "1") for period in strange))
    assert recon.plan(database_url=database.url).after.total("orphan") == len(strange)
    report = recon.fix(database_url=database.url)
    assert (report.inserted, report.after.total("missing"), report.after.total("orphan")) == (1, 0, len(strange))
