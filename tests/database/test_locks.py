"""What a run locks, and whom that keeps waiting: dates among runs of recon, and nobody else."""

from __future__ import annotations

import json
from datetime import date, timedelta
from typing import Any

import adbc_driver_postgresql.dbapi as adbc
import pytest

from recon.postgres import ledger
from recon.postgres.session import connect
from tests.support import oracle
from tests.support.builders import DAY, days, fill, source_rows
from tests.support.databases import TABLE, Database
from tests.support.program import Run, Start
from tests.support.servers import wait_until

COLUMNS = "settlement_date, settlement_period, farm_id, miner_model, bitcoin_mined, difficulty"
TABLES = ("curtailment_records", TABLE)
ONE, TWO, FREE = days(DAY, 3)
GATE = 4713
EPOCH = date(1970, 1, 1)
OURS = (
    "pid in (select pid from pg_stat_activity where application_name like 'recon/%' and datname = current_database())"
)
ADVISORY = "locktype = 'advisory' and objsubid = 2"
AT_THE_GATE = f"{ADVISORY} and classid = {GATE} and not granted"


def close_gates(database: Database) -> None:
    """A chunk waits where it records a date, with all its locks, at the gate of that date."""
    with connect(database.settings) as session:
        ledger.ensure(session)
    for day in (ONE, TWO):
        database.execute(f"select pg_advisory_lock({GATE}, {(day - EPOCH).days})")
    database.execute(
        "create function gate() returns trigger language plpgsql as $$ begin perform pg_advisory_xact_lock_shared("
        f"{GATE}, new.settlement_date - date '1970-01-01'); return null; end $$"
    )
    database.execute("create trigger gate after update on recon.run_dates for each row execute function gate()")


def open_gate(database: Database, day: date) -> None:
    database.execute(f"select pg_advisory_unlock({GATE}, {(day - EPOCH).days})")


def wait_at_the_gate(database: Database, day: date) -> None:
    waiting = f"{AT_THE_GATE} and objid = {(day - EPOCH).days}"
    wait_until(lambda: database.count("pg_locks", waiting) > 0, seconds=20, what=f"a run at the gate of {day}")


def table_locks(database: Database) -> dict[str, set[str]]:
    """The modes of the locks that recon's sessions have or wait for, by the relation without its schema."""
    found: dict[str, set[str]] = {}
    relations = "l.relation::regclass::text as relation, l.mode"
    where = f"locktype = 'relation' and l.{OURS}"
    for name, mode in database.rows(f"select distinct {relations} from pg_locks l where {where}"):
        found.setdefault(name, set()).add(mode)
    return {name: modes for name, modes in found.items() if not name.startswith("pg_")}


def date_locks(database: Database) -> list[date]:
    """The dates that recon's sessions have locked."""
    where = f"{ADVISORY} and classid <> {GATE} and granted and {OURS}"
    return [EPOCH + timedelta(n) for (n,) in database.rows(f"select objid::int from pg_locks where {where} order by 1")]


@pytest.fixture
def two_dates(database: Database) -> Database:
    """Two dates to repair and to fill, with the unique index."""
    database.add_unique_index()
    rows = fill(database, source_rows([ONE, TWO], farms=1, periods=(1, 2)))
    for row in rows[:1] + rows[-1:]:
        database.add_calculations((*row[:3], "S9", "0.5", "1"))
    close_gates(database)
    return database


@pytest.fixture
def run(two_dates: Database, start_recon: Start) -> Any:
    """A run that repairs and fills the two dates, the oldest first, a date at a time."""
    repair = ("--repair", "missing,wrong", "--yes", "--max-changes", "100%")
    return start_recon("fix", 1, "--workers", 1, "--order", "oldest", *repair, "--json", url=two_dates.url)


def test_a_chunk_locks_its_dates_and_no_table(two_dates: Database, run: Any) -> None:
    """Looked at when a transaction has all the locks it ever takes."""
    for day, other in ((ONE, TWO), (TWO, ONE)):
        wait_at_the_gate(two_dates, day)
        assert date_locks(two_dates) == [day], f"{other} is not locked"
        held = table_locks(two_dates)
        assert held["curtailment_records"] == {"AccessShareLock"}
        assert held[TABLE] == {"AccessShareLock", "RowExclusiveLock"}
        assert {"recon.run_dates", "recon.quarantine"} < held.keys()
        assert set.union(*held.values()) <= {"AccessShareLock", "RowShareLock", "RowExclusiveLock"}
        open_gate(two_dates, day)
    stdout, stderr = run.communicate(timeout=30)
    assert run.returncode == 0, stderr
    assert {entry["status"] for entry in json.loads(stdout)["dates"]} == {"done"}
    assert two_dates.count("pg_locks", f"{ADVISORY} and pid <> pg_backend_pid()") == 0
    assert table_locks(two_dates) == {}


def test_nobody_else_waits_while_a_chunk_is_open(two_dates: Database, run: Any, run_recon: Run) -> None:
    """Readers of everything, writers of other dates, writers of the same source, and a run on other dates."""
    wait_at_the_gate(two_dates, ONE)
    with adbc.connect(two_dates.url, autocommit=True) as connection, connection.cursor() as other:
        other.execute("set lock_timeout = '200ms'")
        for table in TABLES:
            other.execute(f"select count(*) from {table}")
            assert other.fetchone()[0] > 0
        curtailed = f"'{FREE}', 1, 'T_FREE-1', -5, 0, 0, 0"
        other.execute(
            "insert into curtailment_records (settlement_date, settlement_period, farm_id, volume, payment, "
            f"original_price, final_price) values ({curtailed}), ({curtailed})"
        )
        for table in TABLES:
            column = "volume" if table == TABLES[0] else "difficulty"
            other.execute(f"update {table} set {column} = {column} where settlement_date = '{TWO}'")
        other.execute(f"update curtailment_records set payment = 1 where settlement_date = '{ONE}'")
        other.execute(f"insert into {TABLE} ({COLUMNS}) values ('{FREE}', 2, 'T_FREE-1', 'S9', 1, 1)")
        other.execute(f"delete from {TABLE} where settlement_date = '{FREE}'")
        other.execute("analyze curtailment_records")
    found = run_recon("date", FREE, "--lock-timeout", "1", "--json", url=two_dates.url)
    assert found.returncode == 0, found.stderr
    assert json.loads(found.stdout)["inserted"] == 3
    assert run.poll() is None
    for day in (ONE, TWO):
        open_gate(two_dates, day)
    _, stderr = run.communicate(timeout=30)
    assert run.returncode == 0, stderr
    source = two_dates.rows("select settlement_date, settlement_period, farm_id, volume::text from curtailment_records")
    assert oracle.stored(two_dates) == oracle.calculations(source)


def test_a_key_that_a_rival_writes_first_is_read_again(database: Database, start_recon: Start) -> None:
    """The unique index makes our COPY wait for the rival's transaction, and refuses our row when that commits."""
    database.add_unique_index()
    rows = fill(database, source_rows([ONE], farms=2, periods=(1, 2)))
    exact = oracle.calculations(rows)
    with adbc.connect(database.url) as rival, rival.cursor() as cursor:
        day, period, farm, model, btc, difficulty = exact[5]
        cursor.execute(
            f"insert into {TABLE} ({COLUMNS}) values ('{day}', {period}, '{farm}', '{model}', {btc}, {difficulty})"
        )
        process = start_recon("fix", "--json", "-v", url=database.url)
        waits = f"locktype = 'transactionid' and not granted and {OURS}"
        wait_until(lambda: database.count("pg_locks", waits) > 0, seconds=20, what="a COPY that waits for the rival")
        assert database.count(TABLE) == 0
        rival.commit()
    stdout, stderr = process.communicate(timeout=30)
    assert process.returncode == 0, stderr
    assert "duplicate key value" in stderr
    report = json.loads(stdout)
    (entry,) = report["dates"]
    assert (entry["status"], entry["inserted"], entry["attempts"]) == ("done", len(exact) - 1, 2)
    assert report["reconciled"] is True
    assert oracle.stored(database) == exact
