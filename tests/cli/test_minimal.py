"""`recon minimal`: one connection, few keys at a time, and on past whatever fails."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import adbc_driver_postgresql.dbapi as adbc
import pytest

from tests.support import oracle
from tests.support.builders import DAY, days, fill, source_rows
from tests.support.databases import TABLE, Database
from tests.support.program import Run, Start, document
from tests.support.servers import wait_until

OURS = "select pid from pg_stat_activity where application_name like 'recon/%' and state <> 'idle'"
"""Those at work: one that recon has closed is idle until the server clears it away."""


@contextmanager
def watched(database: Database) -> Iterator[list[set[int]]]:
    """The backends of recon's sessions, as often as they can be looked at."""
    seen: list[set[int]] = []
    over = threading.Event()

    def look() -> None:
        with adbc.connect(database.url, autocommit=True) as connection, connection.cursor() as cursor:
            while not over.is_set():
                cursor.execute(OURS)
                seen.append({pid for (pid,) in cursor.fetchall()})
                time.sleep(0.01)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def transactions(database: Database) -> list[int]:
    """How many keys each transaction wrote, in the order of writing."""
    keys = "count(distinct (settlement_period, farm_id))"
    return [n for (n,) in database.rows(f"select {keys} from {TABLE} group by xmin::text::int8 order by min(id)")]


def record_backends(database: Database) -> None:
    """Which backend wrote each row."""
    database.execute("create table written_by (pid integer)")
    database.execute(
        "create function note_backend() returns trigger language plpgsql as $$ begin"
        " insert into written_by values (pg_backend_pid()); return new; end $$"
    )
    database.execute(f"create trigger note before insert on {TABLE} for each row execute function note_backend()")


def refuse(database: Database, farm: str) -> None:
    """No row of this farm can be written."""
    database.execute(
        "create function refuse() returns trigger language plpgsql as $$ begin"
        " raise exception 'not this farm' using errcode = 'check_violation'; end $$"
    )
    database.execute(
        f"create trigger refuse before insert on {TABLE} for each row when (new.farm_id = '{farm}')"
        " execute function refuse()"
    )


@pytest.mark.parametrize("keys", [1, 4, 100])
def test_a_sequence_writes_so_many_keys_per_transaction_on_one_connection(
    database: Database, run_recon: Run, keys: int
) -> None:
    rows = fill(database, source_rows(days(DAY, 2)))
    with watched(database) as seen:
        found = document(run_recon("minimal", "sequence", DAY, keys, "--json", url=database.url))
    assert max(map(len, seen)) == 1
    assert oracle.stored(database) == oracle.calculations(row for row in rows if row[0] == DAY)
    assert transactions(database) == [keys] * (9 // keys) + [9 % keys] * (9 % keys > 0)
    (entry,) = found["dates"]
    assert (entry["status"], entry["missing"], entry["inserted"]) == ("done", 27, 27)
    assert (found["command"], found["inserted"], found["remaining"]) == ("minimal sequence", 27, 0)


def test_what_is_there_already_is_left_alone(database: Database, run_recon: Run) -> None:
    rows = fill(database, source_rows([DAY]))
    exact = oracle.calculations(rows)
    database.add_calculations(*exact[:10])
    document(run_recon("minimal", "sequence", DAY, 5, "--json", url=database.url))
    assert oracle.stored(database) == exact
    again = document(run_recon("minimal", "sequence", DAY, 5, "--json", url=database.url))
    assert (again["run_id"], again["inserted"], again["dates"]) == (None, 0, [])


def test_there_is_a_rest_between_transactions(database: Database, run_recon: Run) -> None:
    fill(database, source_rows([DAY], farms=1))
    database.execute(f"alter table {TABLE} alter calculated_at set default clock_timestamp()")
    document(run_recon("minimal", "sequence", DAY, 1, "--pause", 0.5, "--json", url=database.url))
    times = f"(select settlement_period as p, min(calculated_at) as t from {TABLE} group by 1) x"
    gaps = database.rows(f"select extract(epoch from t - lag(t) over (order by p))::float8 from {times} order by p")
    assert len(gaps) == 3
    assert all(gap >= 0.5 for (gap,) in gaps[1:])


def test_the_connection_is_replaced_every_hundred_transactions(database: Database, run_recon: Run) -> None:
    fill(database, source_rows([DAY], farms=42, periods=(1, 2, 3, 4, 5)))
    record_backends(database)
    with watched(database) as seen:
        document(run_recon("minimal", "critical-date", DAY, "--json", url=database.url))
    backends = [rows for (rows,) in database.rows("select count(*) from written_by group by pid order by min(ctid)")]
    assert len(backends) == 3
    assert max(backends) <= 100 * 3
    assert max(map(len, seen)) == 1


def test_a_key_that_fails_is_passed_over_and_listed(database: Database, run_recon: Run) -> None:
    rows = fill(database, source_rows([DAY]))
    refuse(database, "T_FARM-1")
    found = document(run_recon("minimal", "sequence", DAY, 2, "--json", url=database.url), 4)
    kept = [row for row in oracle.calculations(rows) if row[2] != "T_FARM-1"]
    assert oracle.stored(database) == kept
    assert (found["inserted"], found["remaining"], found["reconciled"]) == (18, 9, False)
    failed = [(key["settlement_period"], key["farm_id"]) for key in found["failed_keys"]]
    assert failed == [(1, "T_FARM-1"), (24, "T_FARM-1"), (46, "T_FARM-1")]
    assert all("not this farm" in key["error"] for key in found["failed_keys"])
    (entry,) = found["dates"]
    assert (entry["status"], entry["inserted"]) == ("failed", 18)
    assert entry["error"].startswith("3 of 9 keys failed, first 1 T_FARM-1: ")
    shown = run_recon("minimal", "sequence", DAY, 2, url=database.url)
    assert shown.returncode == 4
    assert "ERROR: 2024-04-20 settlement period 24, T_FARM-1: not this farm; change the check" in shown.stderr
    database.execute(f"drop trigger refuse on {TABLE}")
    document(run_recon("resume", "--json", url=database.url))
    assert oracle.stored(database) == oracle.calculations(rows)


def test_a_critical_date_is_filled_while_fix_cannot_get_its_lock_in_time(
    database: Database, run_recon: Run, start_recon: Start
) -> None:
    """A rival has one key of the date in an open transaction: `fix` needs it at once, `minimal` only at its turn."""
    rows = fill(database, source_rows([DAY]))
    database.add_unique_index()
    exact = oracle.calculations(rows)
    last = exact[-1]
    with adbc.connect(database.url) as rival, rival.cursor() as cursor:
        literals = ", ".join(f"'{value}'" for value in last)
        columns = "settlement_date, settlement_period, farm_id, miner_model, bitcoin_mined, difficulty"
        cursor.execute(f"insert into {TABLE} ({columns}) values ({literals})")
        failed = document(run_recon("fix", "--lock-timeout", 0.3, "--json", url=database.url), 4)
        assert failed["dates"][0]["status"] == "failed"
        assert "lock" in failed["dates"][0]["error"]
        assert oracle.stored(database) == []

        careful = start_recon("minimal", "critical-date", DAY, "--lock-timeout", "10", "--json", url=database.url)
        wait_until(lambda: database.count(TABLE) == 24, 30, "all keys but the rival's")
        rival.rollback()
    stdout, stderr = careful.communicate(timeout=60)
    assert careful.returncode == 0, stdout + stderr
    assert oracle.stored(database) == exact


def test_the_rivals_row_is_kept_when_it_commits(database: Database, start_recon: Start) -> None:
    rows = fill(database, source_rows([DAY], farms=1))
    database.add_unique_index()
    exact = oracle.calculations(rows)
    with adbc.connect(database.url) as rival, rival.cursor() as cursor:
        literals = ", ".join(f"'{value}'" for value in exact[-1])
        columns = "settlement_date, settlement_period, farm_id, miner_model, bitcoin_mined, difficulty"
        cursor.execute(f"insert into {TABLE} ({columns}) values ({literals})")
        careful = start_recon("minimal", "critical-date", DAY, "--lock-timeout", "10", "--json", url=database.url)
        waiting = "select count(*) from pg_locks where not granted"
        wait_until(lambda: database.scalar(waiting) > 0, 30, "the careful run's wait for the rival")
        rival.commit()
    stdout, stderr = careful.communicate(timeout=60)
    assert careful.returncode == 0, stdout + stderr
    assert oracle.stored(database) == exact


def test_the_most_critical_date_is_the_one_with_the_most_missing_rows(database: Database, run_recon: Run) -> None:
    few, many, unknown = DAY, *days(DAY, 2)[1:], "2035-01-01"
    rows = fill(database, [*source_rows([few], farms=1), *source_rows([many], farms=2)])
    fill(database, [(unknown, period, "T_FARM-1", "-1") for period in range(1, 49)])
    found = document(run_recon("minimal", "most-critical", "--json", url=database.url))
    assert [entry["date"] for entry in found["dates"]] == [str(many)], "a date without difficulty cannot be filled"
    assert oracle.stored(database) == oracle.calculations(row for row in rows if row[0] == many)


def test_with_nothing_missing_there_is_no_most_critical_date(database: Database, run_recon: Run) -> None:
    database.add_calculations(*oracle.calculations(fill(database, source_rows([DAY]))))
    found = document(run_recon("minimal", "most-critical", "--json", url=database.url))
    assert (found["run_id"], found["dates"], found["reconciled"]) == (None, [], True)


class TestSpotFix:
    def test_fills_one_key(self, database: Database, run_recon: Run) -> None:
        rows = fill(database, source_rows([DAY]))
        found = document(run_recon("minimal", "spot-fix", DAY, 24, "T_FARM-2", "--json", url=database.url))
        exact = oracle.calculations(rows)
        assert oracle.stored(database) == [row for row in exact if row[1:3] == (24, "T_FARM-2")]
        assert (found["inserted"], found["planned"]["rows"], found["reconciled"]) == (3, 3, True)

    def test_of_a_complete_key_writes_nothing(self, database: Database, run_recon: Run) -> None:
        database.add_calculations(*oracle.calculations(fill(database, source_rows([DAY]))))
        before = database.rows(f"select * from {TABLE} order by id")
        found = document(run_recon("minimal", "spot-fix", DAY, 24, "T_FARM-2", "--json", url=database.url))
        assert (found["run_id"], found["inserted"]) == (None, 0)
        assert database.rows(f"select * from {TABLE} order by id") == before
        assert database.count("pg_namespace", "nspname = 'recon'") == 0

    def test_of_a_key_without_curtailment_names_the_nearest_ones(self, database: Database, run_recon: Run) -> None:
        fill(database, source_rows([DAY]))
        error = document(run_recon("minimal", "spot-fix", DAY, 25, "T_FARM-2", "--json", url=database.url), 1)["error"]
        assert error["message"] == "there is no curtailment of T_FARM-2 on 2024-04-20 in settlement period 25"
        assert error["hint"].startswith("the nearest keys are 2024-04-20 24 T_FARM-2")
        assert database.count(TABLE) == 0

    def test_of_an_unknown_date_is_blocked(self, database: Database, run_recon: Run) -> None:
        fill(database, [("2035-01-01", 1, "T_A-1", "-1")])
        found = document(run_recon("minimal", "spot-fix", "2035-01-01", 1, "T_A-1", "--json", url=database.url), 4)
        assert [entry["status"] for entry in found["dates"]] == ["blocked"]
        assert database.count(TABLE) == 0


@pytest.mark.parametrize("count", ["0", "-3", "all"])
def test_a_number_of_keys_that_cannot_be_is_refused(run_recon: Run, count: str) -> None:
    done = run_recon("minimal", "sequence", DAY, count, url="postgresql://nobody@127.0.0.1:1/none")
    assert done.returncode == 2
    assert "N" in done.stderr
