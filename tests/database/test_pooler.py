"""Behind PgBouncer in transaction mode: every command works, and leaves nothing behind for the next client."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import adbc_driver_postgresql.dbapi as adbc
import pytest

from recon.postgres.pool import Pool
from recon.postgres.session import connect
from tests.support import oracle
from tests.support.builders import DAY, days, fill, source_rows
from tests.support.databases import TABLE, Database
from tests.support.program import Run, Start

DATES = days(DAY, 6)
SETTINGS = "select name || '=' || setting as line from pg_settings where name not like 'plpgsql.%' order by name"
"""Those of plpgsql are there from when a connection has run a function for the first time."""
SAMPLE = Path(__file__).parents[2] / "data" / "sample"

Pooled = Callable[..., str]


class Client:
    """Another program's connection by way of the pooler, which sees to its name; each statement is a transaction."""

    def __init__(self, url: str) -> None:
        self._connection = adbc.connect(f"{url}?application_name=other", autocommit=True)

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        with self._connection.cursor() as cursor:
            cursor.adbc_statement.set_options(**{"adbc.postgresql.use_copy": "false"})
            cursor.execute(statement)
            return cursor.fetchall()

    def close(self) -> None:
        self._connection.close()


@pytest.fixture
def gaps(database: Database) -> Database:
    """Six dates of two farms without a calculation."""
    fill(database, source_rows(DATES, farms=2, periods=(1, 2)))
    return database


def whole(database: Database) -> bool:
    source = database.rows("select settlement_date, settlement_period, farm_id, volume::text from curtailment_records")
    return oracle.stored(database) == oracle.calculations(source)


def every_command(tmp_path: Path) -> list[tuple[list[object], int]]:
    """The commands of the contract that speak to a database, in an order in which each has something to do."""
    return [
        (["init"], 0),
        (["status"], 1),
        (["status", "--values", "--deep"], 1),
        (["status", "--reader", "connectorx", "--deep"], 1),
        (["fix", "--dry-run"], 1),
        (["date", DATES[0]], 0),
        (["range", DATES[1], DATES[1], 1], 0),
        (["minimal", "spot-fix", DATES[2], 1, "T_FARM-0"], 0),
        (["minimal", "sequence", DATES[2], 2], 0),
        (["minimal", "critical-date", DATES[3]], 0),
        (["minimal", "most-critical"], 0),
        (["analyze", "--values"], 1),
        (["explain", DATES[0], 1, "T_FARM-0"], 0),
        (["report", "--out", tmp_path / "r.html"], 1),
        (["daily", "--today", DATES[5], "--days", 6, "--values"], 0),
        (["daily", "--today", DATES[5], "--days", 6], 0),
        (["fix", 2, "--workers", 3], 0),
        (["fix", "--repair", "missing,wrong,duplicate,orphan", "--yes"], 0),
        (["resume"], 0),
        (["runs"], 0),
        (["verify"], 0),
        (["export", "--out", tmp_path / "slice"], 0),
        (["quarantine", "list"], 0),
        (["diagnose"], 0),
        (["diagnose", "test"], 0),
        (["diagnose", "monitor", "--count", 1], 0),
        (["init", "--dry-run"], 0),
        (["sample", "load", SAMPLE, "--curtailment-table", "c", "--calculations-table", "h"], 0),
    ]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("size", [1, 3])
def test_every_command_works_and_another_clients_settings_and_locks_are_untouched(
    gaps: Database, pooled: Pooled, run_recon: Run, tmp_path: Path, size: int
) -> None:
    url = pooled(size)
    other = Client(url)
    before = other.rows(SETTINGS)
    for command, code in every_command(tmp_path):
        done = run_recon(*command, url=url)
        assert done.returncode == code, (command, done.stdout, done.stderr)
        assert other.rows(SETTINGS) == before, command
        assert gaps.rows("select locktype from pg_locks where locktype = 'advisory'") == [], command
        assert other.rows("select name from pg_prepared_statements") == [], command
        assert other.rows("select relname from pg_class where relpersistence = 't'") == [], command
    assert whole(gaps)
    gaps.execute(f"update {TABLE} set bitcoin_mined = 2 * bitcoin_mined where settlement_date = '{DAY}'")
    doubled = gaps.rows(f"select id, bitcoin_mined from {TABLE} order by id")
    repaired = run_recon("fix", "--repair", "wrong", "--max-changes", "100%", "--yes", "--json", url=url)
    run_id = json.loads(repaired.stdout)["run_id"]
    assert whole(gaps)
    assert run_recon("quarantine", "restore", run_id, "--yes", url=url).returncode == 0
    assert gaps.rows(f"select id, bitcoin_mined from {TABLE} order by id") == doubled
    assert other.rows(SETTINGS) == before
    other.close()


def test_three_runs_at_once_fill_every_gap_once(gaps: Database, pooled: Pooled, start_recon: Start) -> None:
    for size in (1, 2):
        gaps.execute(f"delete from {TABLE}")
        url = pooled(size)
        runs = [start_recon("fix", 1, "--workers", 2, "--json", url=url) for _ in range(3)]
        ended = [(run.communicate(timeout=100), run.wait()) for run in runs]
        assert [code for _, code in ended] == [0, 0, 0], ended
        assert sum(json.loads(stdout)["inserted"] for (stdout, _), _ in ended) == gaps.count(TABLE)
        assert whole(gaps)


def test_wide_windows_are_read_side_by_side_by_two_programs_at_a_pool_of_two(
    database: Database, pooled: Pooled, start_recon: Start
) -> None:
    """Each used to wait for a second connection within its transaction."""
    fill(database, source_rows(days(DAY, 120), farms=1, periods=(1,)))
    for size in (1, 2):
        url = pooled(size)
        both = [start_recon("status", "--json", url=url) for _ in range(2)]
        for run in both:
            stdout, _ = run.communicate(timeout=60)
            assert (run.wait(), json.loads(stdout)["missing"]) == (1, 360)


def test_an_index_is_not_built_through_a_pooler_and_nothing_is_done_before(
    database: Database, pooled: Pooled, run_recon: Run
) -> None:
    done = run_recon("init", "--unique-index", url=pooled())
    assert done.returncode == 2
    assert "through a pooler" in done.stderr
    assert "connect directly" in done.stderr
    assert done.stderr.count("\n") == 1
    assert database.scalar("select to_regclass('recon.runs')::text") is None
    assert run_recon("init", "--unique-index", url=database.url).returncode == 0


def test_connectorx_gives_way_with_one_word(gaps: Database, pooled: Pooled, run_recon: Run) -> None:
    done = run_recon("status", "--deep", "--reader", "connectorx", url=pooled(1))
    assert done.returncode == 1
    assert done.stderr.count("--reader connectorx needs the server's own address") == 1
    direct = run_recon("status", "--deep", "--reader", "connectorx", url=gaps.url)
    assert "connectorx" not in direct.stderr
    assert direct.stdout == done.stdout


def test_diagnose_says_that_a_pooler_is_in_front_and_what_follows(
    gaps: Database, pooled: Pooled, run_recon: Run
) -> None:
    for url, status in ((pooled(), "warn"), (gaps.url, "ok")):
        checks = json.loads(run_recon("diagnose", "--json", url=url).stdout)["checks"]
        (found,) = (check for check in checks if check["name"] == "pooler")
        assert found["status"] == status
        assert ("init --unique-index" in found["advice"]) == (status == "warn")


def test_what_other_clients_left_on_a_connection_is_not_the_users_own(
    gaps: Database, pooled: Pooled, run_recon: Run
) -> None:
    """pg_dump, for one, leaves an empty search_path on a pooler's connection."""
    url = pooled(1)
    other = Client(url)
    for left in ("search_path to ''", "statement_timeout to 2000", "row_security to off", "timezone to 'Asia/Tokyo'"):
        other.rows(f"set {left}")
    with connect(gaps.settings.__class__(database_url=url)) as session:
        (found,) = session.rows("select current_setting('statement_timeout') as statement")
    assert found == {"statement": "2min"}
    done = run_recon("fix", url=url)
    assert done.returncode == 0, done.stderr
    assert whole(gaps)
    other.close()


def test_a_pooler_is_told_from_a_server(database: Database, debian_database: Database, pooled: Pooled) -> None:
    def is_pooled(url: str) -> bool:
        settings = database.settings.__class__(database_url=url)
        with Pool(settings, "recon/test") as pool, pool.session() as session:
            return session.is_pooled

    assert not is_pooled(database.url)
    assert not is_pooled(debian_database.url)
    assert not is_pooled(database.url + "?application_name=mine")
    assert is_pooled(pooled())


def test_a_transaction_that_fails_leaves_nothing_either(database: Database, pooled: Pooled) -> None:
    url = pooled(1)
    other = Client(url)
    before = other.rows(SETTINGS)
    settings = database.settings.__class__(database_url=url)
    with connect(settings, "recon/test") as session:
        with suppress(ZeroDivisionError), session.transaction(), session.as_user():
            raise ZeroDivisionError
        with pytest.raises(Exception, match="nowhere"), session.transaction():
            session.rows("select * from nowhere")
    assert other.rows(SETTINGS) == before
    other.close()
