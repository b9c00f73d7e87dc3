"""A ledger of the older form: read as it is, upgraded by who may, and its rows put back."""

from __future__ import annotations

import json

import pytest

from tests.support import oracle
from tests.support.builders import DAY, days, fill, source_rows
from tests.support.databases import TABLE, Database
from tests.support.ledgers import make_version_1
from tests.support.program import Run
from tests.support.roles import READER, REPAIRER, WRITER, role_url

DATES = days(DAY, 3)
SOURCE = source_rows(DATES)
RIGHT = oracle.calculations(SOURCE)
PARAMETERS = {
    "window": {"first": None, "last": None},
    "repairs": ["missing"],
    "tolerance": {"atol_btc": 1e-8, "rtol": 1e-6},
    "batch_dates": 60,
    "workers": 2,
    "order": "newest",
    "fleet": "fractional",
    "curtailment": {
        "schema": None,
        "name": "curtailment_records",
        "columns": [[name, name] for name in ("settlement_date", "settlement_period", "farm_id", "volume")],
    },
    "calculations": {
        "schema": None,
        "name": TABLE,
        "columns": [
            [name, name]
            for name in (
                "settlement_date",
                "settlement_period",
                "farm_id",
                "miner_model",
                "bitcoin_mined",
                "difficulty",
            )
        ],
    },
}
"""Of a run of the older version; but for its reference data."""


@pytest.fixture
def old(database: Database) -> Database:
    """Three dates, reconciled, and the ledger of an older version's run that replaced one row and removed another."""
    fill(database, SOURCE)
    database.add_calculations(*RIGHT)
    make_version_1(database)
    database.execute(
        "insert into recon.runs (run_id, command, code_version, status, parameters)"
        f" values ('old', 'fix', '0.1', 'done', '{json.dumps(PARAMETERS)}')"
    )
    replacement = "jsonb_build_object('bitcoin_mined', t.bitcoin_mined::text, 'difficulty', t.difficulty::text)"
    database.execute(
        "insert into recon.quarantine (run_id, reason, table_name, settlement_date, settlement_period, farm_id,"
        " miner_model, whole_row, replacement) select 'old', 'stale', 'historical_bitcoin_calculations',"
        " settlement_date, settlement_period, farm_id, miner_model,"
        f' to_jsonb(t.*) || \'{{"id": 1001, "bitcoin_mined": 9.50}}\', {replacement} from {TABLE} t where id = 1'
    )
    database.execute(
        "insert into recon.quarantine (run_id, reason, table_name, settlement_date, settlement_period, farm_id,"
        " miner_model, whole_row) select 'old', 'orphan', 'historical_bitcoin_calculations', settlement_date,"
        ' settlement_period, \'T_GONE-1\', miner_model, to_jsonb(t.*) || \'{"id": 1002, "farm_id": "T_GONE-1"}\''
        f" from {TABLE} t where id = 2"
    )
    return database


def version(database: Database) -> int:
    return int(database.scalar("select version from recon.ledger_version"))


def columns(database: Database) -> list[tuple]:
    return database.rows(
        "select table_name::text as t, column_name::text as c, data_type::text as d, is_nullable::text as n,"
        " column_default::text as e from information_schema.columns where table_schema = 'recon' order by 1, 2"
    )


def test_what_only_reads_goes_on_with_it(old: Database, run_recon: Run) -> None:
    url = role_url(old, "analyst", READER)
    for command in (
        ("runs",),
        ("runs", "old"),
        ("quarantine", "list"),
        ("status",),
        ("status", "--values"),
        ("fix", "--dry-run"),
        ("fix",),
        ("quarantine", "restore", "old", "--dry-run"),
    ):
        done = run_recon(*command, url=old.url if command == ("fix",) else url)
        assert done.returncode == 0, (command, done.stdout, done.stderr)
    (kept, _) = json.loads(run_recon("quarantine", "list", "--json", url=url).stdout)["rows"]
    assert kept["whole_row"]["bitcoin_mined"] == 9.5
    assert version(old) == 1


def test_who_may_not_upgrade_it_is_given_the_statements_and_the_grants(old: Database, run_recon: Run) -> None:
    old.execute(f"delete from {TABLE} where settlement_date = '{DAY}'")
    url = role_url(old, "recon", WRITER)
    done = run_recon("fix", "--json", url=url)
    assert done.returncode == 3, done.stdout + done.stderr
    error = json.loads(done.stdout)["error"]
    assert error["message"].startswith("the ledger cannot be upgraded from version 1 to 2: ")
    statements = error["hint"].partition("run:\n")[2]
    assert f'GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA recon TO "recon_{old.name}";' in statements
    assert (version(old), old.count("recon.runs")) == (1, 1)
    for statement in filter(str.strip, statements.split(";\n")):
        old.execute(statement)
    assert run_recon("fix", url=url).returncode == 0
    assert oracle.stored(old) == RIGHT


@pytest.mark.parametrize("how", [("init",), ("fix",)])
def test_who_may_upgrades_it_to_what_a_new_one_is(old: Database, run_recon: Run, how: tuple[str]) -> None:
    role_url(old, "recon", WRITER)
    old.execute(f"delete from {TABLE} where settlement_date = '{DAY}'")
    shown = run_recon("init", "--dry-run", url=old.url)
    assert "alter table recon.quarantine add column if not exists row_types jsonb;" in shown.stdout
    assert version(old) == 1
    done = run_recon(*how, url=old.url)
    assert done.returncode == 0, done.stderr
    assert version(old) == 2
    upgraded = columns(old)
    held = f"has_table_privilege('recon_{old.name}', 'recon.leases', 'insert, update')"
    assert old.scalar(f"select {held}") is True
    assert json.loads(run_recon("runs", "--json", url=old.url).stdout)["runs"][-1]["run_id"] == "old"
    old.execute("drop schema recon cascade")
    assert run_recon("init", url=old.url).returncode == 0
    assert columns(old) == upgraded


def test_rows_that_it_kept_are_put_back_and_what_may_differ_is_said(old: Database, run_recon: Run) -> None:
    before = old.rows(f"select * from {TABLE} where id > 1 order by id")
    done = run_recon("quarantine", "restore", "old", "--yes", url=old.url)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "note: they were kept by an older version, as JSON" in done.stdout
    assert "2 rows put back" in done.stdout
    assert old.rows(f"select * from {TABLE} where id between 2 and 1000 order by id") == before
    assert old.rows(f"select id, bitcoin_mined::text as b from {TABLE} where id = 1001") == [(1001, "9.50")]
    assert old.rows(f"select id, farm_id from {TABLE} where id = 1002") == [(1002, "T_GONE-1")]
    assert old.count(TABLE, "id = 1") == 0
    assert old.rows("select reason from recon.quarantine where run_id <> 'old'") == [("restored",)]


def test_rows_that_it_kept_are_not_put_into_another_table_of_the_name(old: Database, run_recon: Run) -> None:
    old.execute("create schema other")
    old.execute(f"create table other.{TABLE} (like public.{TABLE} including all)")
    done = run_recon("quarantine", "restore", "old", "--yes", url=old.url)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"out of {TABLE}, not out of public.{TABLE}" in done.stderr
    old.execute("update recon.quarantine set table_name = 'public.' || table_name")
    assert run_recon("quarantine", "restore", "old", "--yes", url=old.url).returncode == 0


def test_a_row_that_it_lost_is_not_put_back_by_halves(old: Database, run_recon: Run) -> None:
    """A column named as our own alias was taken for the row."""
    old.execute("update recon.quarantine set whole_row = '\"word\"'")
    after = old.whole_rows()
    done = run_recon("quarantine", "restore", "old", "--yes", url=old.url)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert old.whole_rows() == after


def test_its_unfinished_run_is_gone_on_with(old: Database, run_recon: Run) -> None:
    assert run_recon("fix", "--dry-run", url=old.url).returncode == 0
    from recon.reference.reference import load

    reference = load(None, None, None, old.server.directory).parameters()
    old.execute(
        "update recon.runs set status = 'incomplete',"
        f' parameters = parameters || \'{json.dumps(reference)}\' || \'{{"repairs": ["missing", "orphan"]}}\''
    )
    old.execute(
        "insert into recon.run_dates (run_id, settlement_date, position, status, expected, missing)"
        f" values ('old', '{DAY}', 0, 'pending', 27, 27)"
    )
    old.execute(f"delete from {TABLE} where settlement_date = '{DAY}'")
    old.add_calculations((DAY, 1, "T_GONE-1", "S9", 1, 1))
    url = role_url(old, "recon", WRITER, REPAIRER)
    assert run_recon("resume", "--yes", url=url).returncode == 3
    assert run_recon("init", url=old.url).returncode == 0
    assert run_recon("resume", url=url).returncode == 2
    done = run_recon("resume", "--yes", url=url)
    assert done.returncode == 0, done.stdout + done.stderr
    assert oracle.stored(old) == RIGHT
