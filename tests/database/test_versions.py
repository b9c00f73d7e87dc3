"""Rows that a chunk does not write are told by their versions: whoever changes one in the meantime is noticed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import adbc_driver_postgresql.dbapi as adbc
import pytest

import recon
from recon.core.names import CURTAILMENT_COLUMNS, Table
from recon.postgres.inspect import opened
from recon.reconcile import fix
from recon.reconcile.cell_survey import CellSurvey
from tests.support import oracle
from tests.support.builders import DAY, days, fill, source_rows
from tests.support.databases import CURTAILMENT, TABLE, Database

DATES = days(DAY, 20)
KEY = "settlement_period = 2 and farm_id = 'T_FARM-2'"
KINDS = ("expected", "missing", "duplicate", "orphan")
COLUMNS = "settlement_date, settlement_period, farm_id, miner_model, bitcoin_mined, difficulty"


@pytest.fixture
def holes(database: Database) -> Database:
    """Twenty dates, all filled but for one key of one model on each."""
    right = oracle.calculations(fill(database, source_rows(DATES, farms=5, periods=range(1, 5))))
    database.add_calculations(*right)
    database.execute(f"delete from {TABLE} where settlement_period = 3 and farm_id = 'T_FARM-1' and miner_model = 'S9'")
    return database


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """How tables were surveyed by cell: `quick` for the plan, `of` by a chunk for itself."""
    seen: list[str] = []
    for name in ("quick", "of"):
        look = getattr(CellSurvey, name)

        def noted(*asked: Any, look: Any = look, name: str = name) -> Any:
            seen.append(name)
            return look(*asked)

        monkeypatch.setattr(CellSurvey, name, noted)
    return seen


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """Has something done between the plan and the first chunk."""

    def after_the_plan(work: Callable[[], object]) -> None:
        begin = fix.begin

        def and_then(*asked: Any) -> None:
            begin(*asked)
            work()

        monkeypatch.setattr(fix, "begin", and_then)

    return after_the_plan


def exact(database: Database) -> None:
    rows = database.rows(f"select settlement_date, settlement_period, farm_id, volume::text from {CURTAILMENT}")
    assert oracle.stored(database) == oracle.calculations(rows)


def test_a_chunk_goes_on_with_what_the_plan_was_made_from(holes: Database, looks: list[str]) -> None:
    report = recon.fix(database_url=holes.url)
    assert (report.inserted, report.after.reconciled) == (len(DATES), True)
    assert looks
    assert set(looks) == {"quick"}
    exact(holes)


LATE_KEY = f"""
insert into {CURTAILMENT} (settlement_date, settlement_period, farm_id, volume, payment, original_price, final_price)
select settlement_date, 4, 'T_LATE-1', -3, 1, 1, 1 from {CURTAILMENT} where {KEY}
"""
ANOTHER_KEY = f"""
with gone as (delete from {TABLE} where {KEY} and miner_model = 'S9' returning *)
insert into {TABLE} ({COLUMNS})
select settlement_date, settlement_period, 'T_GONE-1', miner_model, bitcoin_mined, difficulty from gone
"""
RIVAL = f"""
insert into {TABLE} ({COLUMNS}) select settlement_date, 3, 'T_FARM-1', 'S9', bitcoin_mined, difficulty
from {TABLE} where settlement_period = 3 and farm_id = 'T_FARM-1' and miner_model = 'M20S'
"""
SWAP = f"""
create table other (like {TABLE} including all); insert into other select * from {TABLE};
delete from other where {KEY} and miner_model = 'M20S';
insert into other ({COLUMNS}) select settlement_date, 4, 'T_GONE-1', miner_model, bitcoin_mined, difficulty
    from {TABLE} where {KEY} and miner_model = 'M20S';
"""


@pytest.mark.parametrize("unique", [False, True])
@pytest.mark.parametrize(
    "change",
    [
        f"update {CURTAILMENT} set volume = volume - 1 where {KEY}",
        f"delete from {CURTAILMENT} where {KEY}",
        LATE_KEY,
        f"delete from {TABLE} where {KEY}",
        f"update {TABLE} set settlement_period = 1, farm_id = 'T_GONE-1' where {KEY} and miner_model = 'S9'",
        ANOTHER_KEY,
        RIVAL,
        f"vacuum full {TABLE}",
        f"alter table {TABLE} alter bitcoin_mined type numeric(30, 8)",
    ],
    ids=[
        "another volume", "a key less", "a key more", "rows less", "another key", "one key in place of another",
        "a rival was first", "a table packed", "a table written anew",
    ],
)  # fmt: skip
def test_what_changes_after_the_plan_is_looked_for_again(
    holes: Database, meanwhile: Callable[..., None], change: str, *, unique: bool
) -> None:
    """A rival's row, a changed volume, a row that went: each is as it is now, whatever the plan was made from."""
    if unique:
        holes.add_unique_index()
    meanwhile(lambda: holes.execute(change))
    report = recon.fix(database_url=holes.url)
    assert {result.status for result in report.results} <= {"done", "skipped"}
    counted = oracle.status(holes)
    assert counted["missing"] == 0
    assert {kind: report.after.total(kind) for kind in KINDS} == {kind: counted[kind] for kind in KINDS}


def test_a_table_that_takes_the_name_of_another_is_not_taken_for_it(
    holes: Database, meanwhile: Callable[..., None], looks: list[str]
) -> None:
    """It has as many rows on each date, written before the plan was made, but not all the same ones."""
    for statement in SWAP.strip().split(";")[:-1]:
        holes.execute(statement)
    rename = f"alter table {TABLE} rename to was; alter table other rename to {TABLE}"
    meanwhile(lambda: [holes.execute(statement) for statement in rename.split(";")])
    report = recon.fix(database_url=holes.url)
    assert "of" in looks
    counted = oracle.status(holes)
    assert (counted["missing"], counted["orphan"]) == (0, len(DATES))
    assert {kind: report.after.total(kind) for kind in KINDS} == {kind: counted[kind] for kind in KINDS}


@contextmanager
def long_transaction(database: Database) -> Iterator[None]:
    """One that has written something, and is still open."""
    with adbc.connect(database.url) as connection, connection.cursor() as cursor:
        cursor.execute("create table elsewhere ()")
        yield
        connection.rollback()


@pytest.mark.parametrize("change", ["bitcoin_mined = bitcoin_mined + 1", "difficulty = 1", "farm_id = 'T_OTHER'"])
def test_rows_that_are_too_young_are_told_by_their_values(holes: Database, change: str) -> None:
    """While an older transaction is open, versions do not tell which rows were there."""
    with long_transaction(holes):
        holes.execute(f"update {TABLE} set miner_model = miner_model where {KEY}")
        report = recon.fix(database_url=holes.url, to=DATES[9])
        assert (report.inserted, report.after.reconciled) == (10, True)
        holes.execute(
            "create function meddle() returns trigger language plpgsql as $$ begin"
            f" update {TABLE} set {change} where {KEY} and settlement_date = new.settlement_date; return new; end $$"
        )
        holes.execute(f"create trigger meddle before insert on {TABLE} for each row execute function meddle()")
        before = oracle.stored(holes)
        refused = recon.fix(database_url=holes.url)
        assert {result.status for result in refused.results} == {"failed"}
        assert oracle.stored(holes) == before


PLAIN = f"create table relation (like {CURTAILMENT})"
FOREIGN = "create foreign data wrapper elsewhere; create server elsewhere foreign data wrapper elsewhere"
PARTED = f"create table relation (like {CURTAILMENT}) partition by range (settlement_date)"
RELATIONS = {
    "a table": (PLAIN, True),
    "a materialized view": (f"create materialized view relation as select * from {CURTAILMENT}", True),
    "a view": (f"create view relation as select * from {CURTAILMENT}", False),
    "a table with heirs": (f"{PLAIN}; create table heir () inherits (relation)", False),
    "a partitioned table": (f"{PARTED}; create table part partition of relation default", True),
    "a table with a foreign part": (
        f"{PARTED}; {FOREIGN}; create foreign table part partition of relation default server elsewhere",
        False,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("made", "has_versions"), RELATIONS.values(), ids=RELATIONS)
def test_only_rows_that_the_server_itself_stores_have_versions(
    holes: Database, made: str, *, has_versions: bool
) -> None:
    for statement in made.split(";"):
        holes.execute(statement)
    settings = replace(holes.settings, curtailment=Table.parse("relation", CURTAILMENT_COLUMNS, ""))
    with opened(settings, "recon/test") as tables:
        assert (tables.layout.source_versions, tables.layout.stored_versions) == (has_versions, True)


def test_a_view_is_looked_at_by_each_chunk_for_itself(holes: Database, looks: list[str]) -> None:
    holes.execute(f"create view seen as select * from {CURTAILMENT}")
    report = recon.fix(database_url=holes.url, curtailment_table="seen")
    assert (report.inserted, report.after.reconciled) == (len(DATES), True)
    assert set(looks) == {"of"}
    exact(holes)


def test_who_may_read_some_columns_only_reads_no_versions(holes: Database, looks: list[str]) -> None:
    """Of a table whose columns alone one may read, nothing but these can be read."""
    columns = "settlement_date, settlement_period, farm_id, volume"
    holes.execute("create role by_column login password 'pw'")
    try:
        holes.execute(f"grant select ({columns}) on {CURTAILMENT} to by_column")
        holes.execute(f"grant select, insert on {TABLE} to by_column")
        holes.execute("grant usage on all sequences in schema public to by_column")
        holes.execute("create schema recon authorization by_column")
        report = recon.fix(database_url=holes.server.role_url("by_column", "pw", holes.name))
        assert (report.inserted, report.after.reconciled) == (len(DATES), True)
        assert set(looks) == {"of"}
        exact(holes)
    finally:
        holes.execute("drop owned by by_column")
        holes.execute("drop role by_column")
