"""Whatever stands on the search_path: the tables meant are found, and nothing that was planted there is run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support import oracle
from tests.support.builders import DAY, days, fill, source_rows
from tests.support.databases import CURTAILMENT, TABLE, Database
from tests.support.planted import plant
from tests.support.program import Run
from tests.support.roles import READER, REPAIRER, WRITER, grant, role_url

DATES = days(DAY, 3)


def whole(database: Database, schema: str = "public") -> bool:
    columns = "settlement_date, settlement_period, farm_id"
    rows = database.rows(f"select {columns}, volume::text from {schema}.{CURTAILMENT}")
    stored = database.rows(
        f"select {columns}, miner_model, bitcoin_mined, difficulty from {schema}.{TABLE} order by 1, 2, 3, 4"
    )
    return sorted(stored) == sorted(oracle.calculations(rows))


def readers(tmp_path: Path, missing: bool) -> list[tuple[list[object], int]]:
    """Every command that reads, with its exit code."""
    code = int(missing)
    return [
        (["status"], code),
        (["status", "--values", "--deep"], code),
        (["status", "--deep", "--reader", "connectorx"], code),
        (["analyze", "--values"], code),
        (["explain", DAY, 1, "T_FARM-0"], code),
        (["report", "--values", "--out", tmp_path / f"r{code}.html"], code),
        (["verify"], 0),
        (["export", "--out", tmp_path / f"slice{code}"], code),
        (["diagnose"], 0),
        (["runs"], 0),
        (["quarantine", "list"], 0),
        (["fix", "--dry-run"], code),
        (["init", "--dry-run"], 0),
    ]


@pytest.fixture
def gaps(database: Database, run_recon: Run) -> Database:
    """Three dates without a calculation, and the ledger."""
    fill(database, source_rows(DATES, farms=2, periods=(1, 2)))
    assert run_recon("init", url=database.url).returncode == 0
    return database


class TestWhatIsPlanted:
    @pytest.mark.parametrize("path", ["public", "public, pg_catalog"])
    def test_is_never_run_by_what_reads(self, gaps: Database, run_recon: Run, tmp_path: Path, path: str) -> None:
        url = role_url(gaps, "analyst", READER)
        assert plant(gaps) > 1200
        gaps.execute(f'alter role "analyst_{gaps.name}" set search_path = {path}')
        for command, code in readers(tmp_path, missing=True):
            done = run_recon(*command, url=url)
            assert "planted" not in done.stdout + done.stderr, command
            assert done.returncode == code, (command, done.stderr)

    @pytest.mark.parametrize("path", ["public", "public, pg_catalog"])
    def test_is_never_run_by_what_writes(self, gaps: Database, run_recon: Run, path: str) -> None:
        url = role_url(gaps, "recon", WRITER, REPAIRER)
        plant(gaps)
        gaps.execute(f'alter role "recon_{gaps.name}" set search_path = {path}')
        for command in (
            ["date", DAY],
            ["minimal", "spot-fix", DATES[1], 1, "T_FARM-0"],
            ["minimal", "sequence", DATES[1], 3],
            ["daily", "--today", DATES[2], "--days", 1],
            ["fix"],
            ["resume"],
        ):
            done = run_recon(*command, url=url)
            assert done.returncode == 0, (command, done.stdout, done.stderr)
        assert whole(gaps)

    def test_does_not_hide_what_is_missing(self, gaps: Database, run_recon: Run) -> None:
        """An exact match wins over pg_catalog's function that takes a bigint: all keys would be equal."""
        gaps.execute(
            "create function public.hashtextextended(text, integer) returns bigint immutable"
            " language sql as 'select 0::int8'"
        )
        gaps.execute(f"alter database {gaps.name} set search_path = public, pg_catalog")
        found = json.loads(run_recon("status", "--json", url=gaps.url).stdout)
        assert (found["missing"], found["reconciled"]) == (len(DATES) * 12, False)


class TestTables:
    def test_of_a_role_named_like_the_ledgers_schema_are_found(self, database: Database, run_recon: Run) -> None:
        """`"$user"` is then the ledger's schema, and the first on the path; a table of ours stands there, too."""
        fill(database, source_rows(DATES, farms=1, periods=(1,)))
        database.server.create_role("recon", "pw")
        url = database.server.role_url("recon", "pw", database.name)
        assert run_recon("init", url=database.url).returncode == 0
        grant(database, "recon", WRITER, REPAIRER)
        database.execute("create table recon.notes (n int)")
        done = run_recon("fix", "--json", url=url)
        assert (done.returncode, json.loads(done.stdout)["inserted"]) == (0, 9), done.stderr
        for command in (["status", "--values"], ["daily", "--today", DATES[2]], ["diagnose"], ["runs"], ["verify"]):
            assert run_recon(*command, url=url).returncode == 0, command
        repair = ("fix", "--repair", "missing,wrong,duplicate,orphan", "--yes")
        assert run_recon(*repair, url=url).returncode == 0
        assert whole(database)

    def test_in_a_later_schema_of_the_path_are_found_and_no_other_of_their_name_is_touched(
        self, database: Database, run_recon: Run
    ) -> None:
        fill(database, source_rows(DATES, farms=1, periods=(1,)))
        for statement in (
            "create schema empty",
            "create schema power",
            f"alter table {CURTAILMENT} set schema power",
            f"alter table {TABLE} set schema power",
            "create schema recon",
            f"create table recon.{TABLE} (n int)",
            "create schema later",
            f"create table later.{TABLE} (like power.{TABLE})",
            f"alter database {database.name} set search_path = empty, power, later, recon",
        ):
            database.execute(statement)
        for command in (["fix"], ["status", "--values"], ["daily", "--today", DATES[2]], ["export", "--out", "slice"]):
            done = run_recon(*command, url=database.url)
            assert done.returncode == 0, (command, done.stderr)
        assert whole(database, "power")
        assert database.count(f"later.{TABLE}") == database.count(f"recon.{TABLE}") == 0

    def test_that_are_missing_are_told_with_where_they_were_looked_for(
        self, empty_database: Database, run_recon: Run
    ) -> None:
        empty_database.execute(f"alter database {empty_database.name} set search_path = power, recon")
        done = run_recon("status", url=empty_database.url)
        assert done.returncode == 2
        assert done.stderr.startswith(f"recon: the database has no table {CURTAILMENT} (searched: power, recon); ")
        named = run_recon("status", "--curtailment-table", "power.c", url=empty_database.url)
        assert named.stderr.startswith("recon: the database has no table power.c; ")


class TestTheUsersPath:
    def test_is_what_triggers_find_when_rows_are_written_and_committed(self, gaps: Database, run_recon: Run) -> None:
        """One trigger at once, one deferred to COMMIT: both name a table without its schema."""
        gaps.execute("create table told (path text, security text)")
        gaps.execute(
            "create function tell() returns trigger language plpgsql as $$ begin insert into told values"
            " (current_setting('search_path'), current_setting('row_security')); return null; end $$"
        )
        gaps.execute(f"create trigger at_once after insert on {TABLE} for each statement execute function tell()")
        gaps.execute(
            f"create constraint trigger later after insert on {TABLE} deferrable initially deferred"
            " for each row execute function tell()"
        )
        for command in (["date", DAY], ["minimal", "sequence", DATES[1], 2], ["fix"]):
            done = run_recon(*command, url=gaps.url)
            assert done.returncode == 0, (command, done.stderr)
        assert gaps.rows("select distinct path, security from told") == [('"$user", public', "on")]
        assert gaps.count("told") > gaps.count(TABLE)
        assert whole(gaps)

    @pytest.mark.parametrize("language", ["plpgsql", "sql"])
    def test_is_what_a_view_must_not_need(self, gaps: Database, run_recon: Run, language: str) -> None:
        body = "select count(*) > 0 from allowed"
        body = f"begin return ({body}); end" if language == "plpgsql" else body
        gaps.execute("create table allowed as select 1 as n")
        gaps.execute(f"create function counts() returns boolean volatile language {language} as '{body}'")
        gaps.execute(f"alter table {CURTAILMENT} rename to behind")
        gaps.execute(f"create view {CURTAILMENT} as select * from behind where counts()")
        for command in ("status", "fix", "analyze", "verify"):
            done = run_recon(command, url=gaps.url)
            assert done.returncode == 3, (command, done.stderr)
            assert 'needs a search_path: relation "allowed" does not exist' in done.stderr
            assert "ALTER FUNCTION ... SET search_path" in done.stderr
            assert done.stderr.count("\n") == 1
        gaps.execute("alter function counts() set search_path = public")
        assert run_recon("fix", url=gaps.url).returncode == 0
