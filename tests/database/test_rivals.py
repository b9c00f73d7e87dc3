"""Two runs at the same time on tables without a unique index: no duplicate, whoever waits for whom."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from recon.reconcile import fix
from recon.reconcile.report import FixReport
from recon.reconcile.request import FixRequest, Job
from recon.reconcile.watcher import Watcher
from recon.reference.reference import load
from tests.support import oracle
from tests.support.builders import DAY, days, fill, source_rows
from tests.support.databases import TABLE, Database
from tests.support.program import Run, Start
from tests.support.servers import wait_until

REFERENCE = load(None, None, None, Path("nowhere"))
DATES = days(DAY, 3)
GATE = 4712
TIMES = 10
DATE_LOCKS = "select count(*) from pg_locks where locktype = 'advisory' and objsubid = 2 and not granted"
AT_THE_GATE = "select count(*) from pg_locks where locktype = 'advisory' and objsubid = 1 and not granted"


def run(database: Database, run_id: str, batch: int = 30) -> FixReport:
    """One whole run on connections of its own."""
    job = Job(run_id, "fix", database.settings, REFERENCE)
    return fix.fix(job, FixRequest(batch_dates=batch, workers=2), watcher=Watcher())


def close_gate(database: Database) -> None:
    """Whoever writes a row waits, in the middle of its transaction, until the gate opens."""
    database.execute(f"select pg_advisory_lock({GATE})")
    database.execute(
        f"create or replace function gate() returns trigger language plpgsql as $$ begin"
        f" perform pg_advisory_xact_lock_shared({GATE}); return new; end $$"
    )
    database.execute(f"create or replace trigger gate before insert on {TABLE} for each row execute function gate()")


def open_gate(database: Database) -> None:
    database.execute(f"select pg_advisory_unlock({GATE})")


def wait_for(database: Database, waiting: str) -> None:
    wait_until(lambda: database.scalar(waiting) > 0, seconds=20, what=waiting)


def test_two_runs_at_once_write_every_row_once(database: Database) -> None:
    rows = fill(database, source_rows(DATES, farms=2, periods=(1, 2)))
    exact = oracle.calculations(rows)
    for number in range(TIMES):
        with ThreadPoolExecutor(2) as threads:
            reports = list(threads.map(lambda n, i=number: run(database, f"{i}-{n}", batch=1 + n), (0, 1)))
        assert oracle.stored(database) == exact
        assert sum(report.inserted for report in reports) == len(exact)
        assert all(report.after.reconciled for report in reports)
        database.execute(f"truncate {TABLE}")


def test_a_run_that_waited_for_the_lock_sees_what_its_rival_committed(database: Database) -> None:
    """It planned the same rows, and finds every date done when its turn comes."""
    rows = fill(database, source_rows(DATES, farms=2, periods=(1, 2)))
    exact = oracle.calculations(rows)
    for number in range(TIMES):
        close_gate(database)
        with ThreadPoolExecutor(2) as threads:
            first = threads.submit(run, database, f"first-{number}")
            wait_for(database, AT_THE_GATE)
            second = threads.submit(run, database, f"second-{number}")
            wait_for(database, DATE_LOCKS)
            open_gate(database)
            reports = first.result(timeout=30), second.result(timeout=30)
        assert [report.inserted for report in reports] == [len(exact), 0]
        assert reports[1].statuses == {"skipped": 3}
        assert [result.missing for result in reports[1].results] == [12, 12, 12]
        assert oracle.stored(database) == exact
        database.execute(f"truncate {TABLE}")


def test_two_processes_one_waiting_for_the_other(database: Database, start_recon: Start) -> None:
    rows = fill(database, source_rows(DATES))
    close_gate(database)
    processes = [start_recon("fix", "--json", url=database.url)]
    wait_for(database, AT_THE_GATE)
    processes.append(start_recon("fix", "--json", url=database.url))
    wait_for(database, DATE_LOCKS)
    open_gate(database)
    outputs = [process.communicate(timeout=30) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    first, second = (json.loads(stdout) for stdout, _ in outputs)
    assert (first["inserted"], second["inserted"]) == (len(oracle.calculations(rows)), 0)
    assert {entry["status"] for entry in second["dates"]} == {"skipped"}
    assert oracle.stored(database) == oracle.calculations(rows)


def test_three_processes_with_other_batches_and_orders(database: Database, start_recon: Start) -> None:
    rows = fill(database, source_rows(days(DAY, 12), farms=2))
    options = [(1, "--order", "newest"), (2, "--order", "oldest"), (5, "--workers", 3)]
    processes = [start_recon("fix", *option, "--json", url=database.url) for option in options]
    outputs = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], outputs
    assert sum(json.loads(stdout)["inserted"] for stdout, _ in outputs) == len(oracle.calculations(rows))
    assert oracle.stored(database) == oracle.calculations(rows)


def test_a_lock_that_is_not_given_in_time_fails_the_dates_and_not_the_run(
    database: Database, start_recon: Start, run_recon: Run
) -> None:
    """The rival keeps its dates; ours say so, and are done later."""
    rows = fill(database, source_rows(DATES[:1]))
    close_gate(database)
    rival = start_recon("fix", "--json", url=database.url)
    wait_for(database, AT_THE_GATE)
    found = run_recon("fix", "--lock-timeout", "0.2", "--json", url=database.url)
    assert found.returncode == 4, found.stderr
    (entry,) = json.loads(found.stdout)["dates"]
    assert (entry["status"], entry["attempts"]) == ("failed", 4)
    assert "lock" in entry["error"]
    open_gate(database)
    rival.communicate(timeout=30)
    assert rival.returncode == 0
    again = run_recon("resume", "--json", url=database.url)
    assert (again.returncode, json.loads(again.stdout)["inserted"]) == (0, 0)
    assert oracle.stored(database) == oracle.calculations(rows)
