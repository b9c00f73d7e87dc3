"""Building the unique index concurrently can be stopped half way: what is left of it is said, and made good."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from typing import Any

import adbc_driver_postgresql.dbapi as adbc
import pytest

from tests.support.databases import TABLE, Database
from tests.support.program import Run
from tests.support.servers import wait_until

INVALID = "pg_index", f"indrelid = '{TABLE}'::regclass and not indisvalid"


@pytest.fixture
def reader(database: Database) -> Iterator[Any]:
    """Somebody in a transaction who has written the table: an index can be begun, and waits for them to be finished."""
    database.add_curtailment(("2024-04-20", 1, "T_A-1", "-5"))
    with adbc.connect(database.url) as session:
        with session.cursor() as cursor:
            cursor.execute(
                f"insert into {TABLE} (settlement_date, settlement_period, farm_id, miner_model, bitcoin_mined, "
                "difficulty) values ('2024-04-20', 1, 'T_A-1', 'S9', 1, 1)"
            )
        yield session


def left(database: Database) -> int:
    return database.count(*INVALID)


def test_a_lock_timeout_says_what_is_left_and_the_next_init_makes_it_good(
    database: Database, run_recon: Run, reader: Any
) -> None:
    done = run_recon("init", "--unique-index", "--lock-timeout", 1, url=database.url)
    assert (done.returncode, left(database)) == (3, 1)
    assert "is left INVALID: 'recon init --unique-index' builds it anew" in done.stderr
    assert "DROP INDEX CONCURRENTLY" in done.stderr
    reader.rollback()
    planned = run_recon("init", "--unique-index", "--dry-run", url=database.url)
    assert "is dropped first" in planned.stdout
    built = run_recon("init", "--unique-index", "--json", url=database.url)
    assert built.returncode == 0, built.stderr
    assert json.loads(built.stdout)["unique_index"]["invalid"]
    assert left(database) == 0
    assert database.count("pg_index", f"indrelid = '{TABLE}'::regclass and not indisprimary") == 1


def test_so_does_an_interrupt(database: Database, start_recon: Callable[..., Any], reader: Any) -> None:
    process = start_recon("init", "--unique-index", url=database.url)
    wait_until(lambda: left(database) == 1, 20, "the index is begun")
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "is left INVALID" in stderr
    reader.rollback()


def test_one_that_is_being_built_is_left_alone(
    database: Database, start_recon: Callable[..., Any], run_recon: Run, reader: Any
) -> None:
    process = start_recon("init", "--unique-index", url=database.url)
    wait_until(lambda: left(database) == 1, 20, "the index is begun")
    done = run_recon("init", "--unique-index", url=database.url)
    assert (done.returncode, "is being built by another session" in done.stderr) == (2, True)
    reader.rollback()
    _, stderr = process.communicate(timeout=30)
    assert (process.returncode, left(database)) == (0, 0), stderr


def test_diagnose_warns_of_one_on_either_table(database: Database, run_recon: Run) -> None:
    database.execute("create index half on curtailment_records (farm_id)")
    database.execute("update pg_index set indisvalid = false where indexrelid = 'half'::regclass")
    checks = json.loads(run_recon("diagnose", "--json", url=database.url).stdout)["checks"]
    (found,) = [check for check in checks if check["name"] == "invalid_index"]
    assert (found["status"], found["advice"]) == ("warn", "DROP INDEX CONCURRENTLY public.half;")
