"""An index that another one makes superfluous is named, with the statement that removes it; nothing else is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.databases import TABLE, Database
from tests.support.program import Run

DATE = "settlement_date"


@pytest.fixture
def keyed(database: Database) -> Database:
    """Tables with the unique index that `recon init --unique-index` makes, and one key."""
    database.add_curtailment(("2024-04-20", 1, "T_A-1", "-5"))
    database.add_unique_index()
    return database


def checks(database: Database, run_recon: Run) -> list[dict[str, Any]]:
    """What `recon diagnose` says of superfluous indexes."""
    found = json.loads(run_recon("diagnose", "--json", url=database.url).stdout)
    assert found["risk"]["score"] == 0
    return [check for check in found["checks"] if check["name"] == "superfluous_index"]


def index(database: Database, columns: str, name: str = "second", table: str = TABLE, how: str = "") -> None:
    database.execute(f'create {how} index "{name}" on {table} {columns}')


def test_one_on_the_date_beside_the_unique_key_is_named_and_the_advice_removes_it(
    keyed: Database, run_recon: Run
) -> None:
    index(keyed, f"({DATE})", name="By Date")
    (found,) = checks(keyed, run_recon)
    assert (found["status"], found["advice"]) == ("ok", 'DROP INDEX CONCURRENTLY public."By Date";')
    assert 'public."By Date" is superfluous: public.one_calculation begins with the same columns' in found["detail"]
    shown = run_recon("diagnose", url=keyed.url)
    assert (shown.returncode, found["advice"] in shown.stdout.split("to do, most urgent first:")[1]) == (0, True)
    keyed.execute(found["advice"])
    assert checks(keyed, run_recon) == []


def test_analyze_says_it_as_information(keyed: Database, run_recon: Run) -> None:
    index(keyed, f"({DATE})")
    index(keyed, f"({DATE}, settlement_period)", name="third")
    assert run_recon("fix", url=keyed.url).returncode == 0
    done = run_recon("analyze", "--json", url=keyed.url)
    (found,) = [one for one in json.loads(done.stdout)["findings"] if one["code"] == "superfluous_indexes"]
    assert (done.returncode, found["severity"], found["count"]) == (0, "info", 2)
    assert found["advice"] == "DROP INDEX CONCURRENTLY public.second; DROP INDEX CONCURRENTLY public.third;"


def test_nagios_is_not_alarmed(keyed: Database, run_recon: Run) -> None:
    keyed.execute(f"create index on curtailment_records ({DATE})")
    before = run_recon("diagnose", "test", "--nagios", url=keyed.url).returncode
    index(keyed, f"({DATE})")
    assert run_recon("diagnose", "test", "--nagios", url=keyed.url).returncode == before


@pytest.mark.parametrize(
    ("columns", "how"),
    [
        (f"({DATE})", "unique"),
        (f"({DATE}) where miner_model = 'S9'", ""),
        (f"(({DATE} + 1))", ""),
        (f"(settlement_period, {DATE})", ""),
        (f"({DATE} desc)", ""),
        (f"({DATE} nulls first)", ""),
        (f"({DATE}, settlement_period, farm_id text_pattern_ops)", ""),
        (f'({DATE}, settlement_period, farm_id collate "C")', ""),
        (f"({DATE}) include (bitcoin_mined)", ""),
        (f"using hash ({DATE})", ""),
        (f"using brin ({DATE})", ""),
        (f"({DATE}, farm_id)", ""),
    ],
)
def test_one_that_does_something_of_its_own_is_not(keyed: Database, run_recon: Run, columns: str, how: str) -> None:
    index(keyed, columns, how=how)
    assert checks(keyed, run_recon) == []


def test_an_index_of_the_other_table_or_an_invalid_one_is_not(keyed: Database, run_recon: Run) -> None:
    index(keyed, f"({DATE})", table="curtailment_records", name="elsewhere")
    index(keyed, f"({DATE}, id)", table="curtailment_records", name="longer")
    index(keyed, f"({DATE})")
    keyed.execute("update pg_index set indisvalid = false where indexrelid = 'second'::regclass")
    assert checks(keyed, run_recon) == []


@pytest.mark.parametrize("longer", [f"({DATE}, miner_model) where farm_id <> ''", f"({DATE}, miner_model)"])
def test_only_a_whole_and_valid_index_replaces_another(database: Database, run_recon: Run, longer: str) -> None:
    index(database, f"({DATE})")
    index(database, longer, name="longer")
    database.execute("update pg_index set indisvalid = false where indexrelid = 'longer'::regclass")
    assert checks(database, run_recon) == []


def test_of_two_equal_ones_the_newer_is_named(database: Database, run_recon: Run) -> None:
    index(database, f"({DATE})", name="b")
    index(database, f"({DATE})", name="a")
    assert [check["advice"] for check in checks(database, run_recon)] == ["DROP INDEX CONCURRENTLY public.a;"]


def test_what_replaces_it_is_one_that_stays(database: Database, run_recon: Run) -> None:
    for name, columns in (("one", ""), ("two", ", farm_id"), ("three", ", farm_id, miner_model")):
        index(database, f"({DATE}{columns})", name=name)
    found = checks(database, run_recon)
    assert [check["detail"].split(":")[0] for check in found] == [f"public.{n} is superfluous" for n in ("one", "two")]
    assert all("public.three begins" in check["detail"] for check in found)


def test_a_partitioned_table_gives_its_index_up_without_concurrently(database: Database, run_recon: Run) -> None:
    for statement in (
        f"alter table {TABLE} rename to flat",
        f"create table {TABLE} (like flat including defaults) partition by range ({DATE})",
        f"create table part partition of {TABLE} default",
    ):
        database.execute(statement)
    database.add_unique_index()
    index(database, f"({DATE})", name="whole")
    index(database, f"({DATE})", name="lone", table="part")
    (found,) = [check for check in checks(database, run_recon) if "whole" in check["advice"]]
    assert found["advice"] == "DROP INDEX public.whole;"
    for check in checks(database, run_recon):
        database.execute(check["advice"])
    assert checks(database, run_recon) == []
