"""What others do while a chunk reads: here and gone again between two of its statements, or there for good."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import recon
from recon.postgres.tables import Tables
from recon.reconcile import chunk, fix
from tests.support import oracle
from tests.support.builders import DAY, days, fill, source_rows
from tests.support.databases import CURTAILMENT, TABLE, Database

DATES = days(DAY, 5)
KEY = "settlement_period = 3 and farm_id = 'T_FARM-1'"
ANOTHER = "settlement_period = 3 and farm_id = 'T_FARM-2'"
LATE = (
    f"insert into {CURTAILMENT} (settlement_date, settlement_period, farm_id, volume, payment, original_price,"
    f" final_price) select settlement_date, settlement_period, 'T_LATE-1', -3, 1, 1, 1 from {CURTAILMENT} where {KEY}"
)


def exact(database: Database) -> None:
    """Everything that should be there is, once, with the right value."""
    rows = database.rows(f"select settlement_date, settlement_period, farm_id, volume::text from {CURTAILMENT}")
    assert oracle.stored(database) == oracle.calculations(rows)


@pytest.fixture
def source(database: Database) -> Database:
    """Five dates of curtailment, also as a view, whose rows have no versions."""
    fill(database, source_rows(DATES, farms=5, periods=range(1, 5)))
    database.execute(f"create view seen as select * from {CURTAILMENT}")
    database.execute(f"create table kept as select * from {CURTAILMENT} where {KEY}")
    return database


@pytest.fixture
def holes(source: Database) -> Database:
    """All filled but for two keys of one model in one settlement period of each date."""
    rows = source.rows(f"select settlement_date, settlement_period, farm_id, volume::text from {CURTAILMENT}")
    source.add_calculations(*oracle.calculations(rows))
    source.execute(f"create table done as select * from {TABLE} where {ANOTHER} and miner_model = 'S9'")
    source.execute(f"delete from {TABLE} where ({KEY} or {ANOTHER}) and miner_model = 'S9'")
    return source


@pytest.fixture
def around(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Has something done before the first read of a name, and taken back after it; what was read is noted."""

    def have(database: Database, name: str, away: str, back: str) -> list[str]:
        read, seen = getattr(Tables, name), []

        def between(*asked: Any, **how: Any) -> Any:
            seen.append(name)
            if len(seen) > 1:
                return read(*asked, **how)
            database.execute(away)
            try:
                return read(*asked, **how)
            finally:
                database.execute(back)

        monkeypatch.setattr(Tables, name, between)
        return seen

    return have


GONE = (f"delete from {CURTAILMENT} where {KEY}", f"insert into {CURTAILMENT} select * from kept")
THERE = (LATE, f"delete from {CURTAILMENT} where farm_id = 'T_LATE-1'")


@pytest.mark.parametrize("table", [CURTAILMENT, "seen"])
@pytest.mark.parametrize("change", [GONE, THERE], ids=["gone", "there"])
@pytest.mark.parametrize("name", ["keys_and_state", "source_keys", "keys_of"])
def test_curtailment_that_only_one_read_saw_or_missed_is_read_again(
    request: pytest.FixtureRequest, around: Callable[..., list[str]], name: str, change: tuple[str, str], table: str
) -> None:
    """Of dates that held nothing, keys_and_state reads all; of others source_keys and keys_of read."""
    database = request.getfixturevalue("source" if name == "keys_and_state" else "holes")
    seen = around(database, name, *change)
    report = recon.fix(database_url=database.url, workers=1, curtailment_table=table)
    assert seen
    assert report.after.reconciled
    exact(database)


def test_a_rivals_row_that_only_one_read_saw_is_written(holes: Database, around: Callable[..., list[str]]) -> None:
    gone = f"delete from {TABLE} where id in (select id from done)"
    seen = around(holes, "done_in", f"insert into {TABLE} select * from done", gone)
    report = recon.fix(database_url=holes.url, workers=1)
    assert seen
    assert report.after.reconciled
    exact(holes)


@pytest.mark.parametrize("column", ["volume", "farm_id", "settlement_period"])
def test_a_row_that_can_no_longer_be_priced_is_no_key_any_more(
    holes: Database, monkeypatch: pytest.MonkeyPatch, column: str
) -> None:
    holes.execute("drop view seen")
    holes.execute(f"alter table {CURTAILMENT} alter {column} drop not null")
    begin, other = fix.begin, "settlement_period = 1 and farm_id = 'T_FARM-4'"

    def and_then(*asked: Any) -> None:
        begin(*asked)
        holes.execute(f"update {CURTAILMENT} set {column} = null where {other}")

    monkeypatch.setattr(fix, "begin", and_then)
    report = recon.fix(database_url=holes.url)
    assert holes.count(TABLE, other) == 3 * len(DATES)  # of a key that there is not any more
    assert (report.after.total("missing"), report.after.total("orphan")) == (0, 3 * len(DATES))


EXCHANGE = f"""
update {TABLE} t set bitcoin_mined = o.bitcoin_mined from {TABLE} o
where (t.settlement_date, t.settlement_period, t.farm_id) = (new.settlement_date, 1, 'T_FARM-4')
    and (o.settlement_date, o.settlement_period, o.farm_id) = (t.settlement_date, t.settlement_period, t.farm_id)
    and (t.miner_model, o.miner_model) in (('S9', 'M20S'), ('M20S', 'S9')) and new.farm_id = 'T_FARM-1'
"""
ANOTHER_MODEL = f"""
update {TABLE} set miner_model = 'OTHER' where miner_model = 'M20S'
    and (settlement_date, settlement_period, farm_id) = (new.settlement_date, 1, 'T_FARM-4')
"""


@pytest.mark.parametrize("change", [EXCHANGE, ANOTHER_MODEL], ids=["values exchanged", "another model"])
def test_a_trigger_that_meddles_with_the_models_of_a_key_is_refused_however_rows_are_told(
    holes: Database, change: str
) -> None:
    """By their versions at the first attempt, by their values at the next ones."""
    holes.execute(f"create function meddle() returns trigger language plpgsql as $$ begin {change}; return new; end $$")
    holes.execute(f"create trigger meddle before insert on {TABLE} for each row execute function meddle()")
    before = oracle.stored(holes)
    report = recon.fix(database_url=holes.url)
    assert {result.status for result in report.results} == {"failed"}
    assert {result.attempts for result in report.results} == {4}
    assert oracle.stored(holes) == before


@pytest.mark.parametrize("fleet", ["fractional", "whole"])
def test_so_many_keys_are_priced_at_once_as_fit_a_chunk(
    database: Database, monkeypatch: pytest.MonkeyPatch, fleet: str
) -> None:
    """A period that lacks one row of many is priced whole where machines are."""
    rows = fill(database, source_rows([DAY], farms=12, periods=range(1, 47)))
    database.add_calculations(*oracle.calculations(rows, whole=fleet == "whole"))
    database.execute(f"delete from {TABLE} where farm_id = 'T_FARM-1' and miner_model = 'S9'")
    monkeypatch.setattr(chunk, "PIECE_ROWS", 100)
    append, sizes = chunk._append, []

    def noted(tables: Tables, job: Any, keys: Any, *others: Any) -> Any:
        sizes.append(keys.height)
        return append(tables, job, keys, *others)

    monkeypatch.setattr(chunk, "_append", noted)
    report = recon.fix(database_url=database.url, fleet=fleet)
    assert (report.inserted, report.after.reconciled) == (46, True)
    assert max(sizes) <= 100
