"""Runs that are killed, interrupted or terminated in the middle, and what `resume` makes of them.

A trigger holds the run at a date of the test's choice, so that the moment is always the same.
"""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.support import oracle
from tests.support.builders import DAY, days, fill, source_rows, write
from tests.support.databases import TABLE, Database
from tests.support.program import Run, Start
from tests.support.servers import wait_until

DATES = days(DAY, 6)
GATE = 4711
WAITING = "select count(*) from pg_locks where locktype = 'advisory' and not granted"


def hold(database: Database, number: int) -> None:
    """Nothing can be written for DATES[number] until `release`."""
    database.execute(f"select pg_advisory_lock({GATE})")
    database.execute(
        f"create or replace function gate() returns trigger language plpgsql as $$ begin"
        f" perform pg_advisory_xact_lock({GATE}); return new; end $$"
    )
    database.execute(
        f"create or replace trigger gate before insert on {TABLE} for each row"
        f" when (new.settlement_date = '{DATES[number]}') execute function gate()"
    )


def wait_at_the_gate(database: Database) -> None:
    wait_until(lambda: database.scalar(WAITING) > 0, seconds=20, what="the run's arrival at the gate")


def release(database: Database) -> None:
    database.execute(f"select pg_advisory_unlock({GATE})")


def stopped(
    database: Database, start_recon: Start, number: int, how: signal.Signals, *options: object
) -> tuple[int, Any]:
    """A run that was stopped while it wrote DATES[number]: its exit code and its output."""
    hold(database, number)
    arguments = ("fix", 1, "--workers", 1, "--order", "oldest", "--json", *options)
    process = start_recon(*arguments, url=database.url)
    wait_at_the_gate(database)
    process.send_signal(how)
    output = process.communicate(timeout=20)
    release(database)
    return process.returncode, output


def resumed(run_recon: Run, database: Database, *arguments: object, code: int = 0) -> dict[str, Any]:
    done = run_recon("resume", *arguments, "--json", url=database.url)
    assert done.returncode == code, done.stdout + done.stderr
    return json.loads(done.stdout)


def runs(run_recon: Run, database: Database) -> list[dict[str, Any]]:
    return json.loads(run_recon("runs", "--json", url=database.url).stdout)["runs"]


@pytest.mark.parametrize("number", [0, 3, 5])
def test_a_killed_run_leaves_whole_dates_and_resume_finishes_the_same_table(
    database: Database, start_recon: Start, run_recon: Run, number: int
) -> None:
    rows = fill(database, source_rows(DATES))
    code, _ = stopped(database, start_recon, number, signal.SIGKILL)
    assert code == -signal.SIGKILL
    assert oracle.stored(database) == oracle.calculations(row for row in rows if row[0] in DATES[:number])
    found = resumed(run_recon, database)
    assert found["inserted"] == len(oracle.calculations(row for row in rows if row[0] in DATES[number:]))
    assert [entry["date"] for entry in found["dates"]] == [str(day) for day in DATES[number:]]
    assert oracle.stored(database) == oracle.calculations(rows)
    assert found["reconciled"] is True


def test_a_run_that_is_stopped_when_only_its_closing_is_left_is_done(
    database: Database, start_recon: Start, run_recon: Run
) -> None:
    fill(database, source_rows(DATES))
    assert run_recon("init", url=database.url).returncode == 0
    hold(database, 0)
    database.execute(f"drop trigger gate on {TABLE}")
    database.execute(
        "create trigger gate before update on recon.runs for each row"
        " when (new.finished_at is not null) execute function gate()"
    )
    process = start_recon("fix", url=database.url)
    wait_at_the_gate(database)
    pid = database.scalar("select pid from pg_locks where locktype = 'advisory' and not granted")
    process.send_signal(signal.SIGTERM)
    wait_until(lambda: not database.scalar(f"{WAITING} and pid = {pid}"), what="the end of that statement")
    release(database)
    process.communicate(timeout=20)
    assert process.returncode == 143
    (run,) = runs(run_recon, database)
    assert (run["status"], run["dates_done"]) == ("done", len(DATES))
    assert resumed(run_recon, database)["run_id"] is None


def test_a_killed_run_is_not_said_to_be_running(database: Database, start_recon: Start, run_recon: Run) -> None:
    fill(database, source_rows(DATES))
    stopped(database, start_recon, 2, signal.SIGKILL)
    wait_until(lambda: runs(run_recon, database)[0]["status"] == "stopped", what="the end of the dead run's session")
    (run,) = runs(run_recon, database)
    assert (run["command"], run["dates"], run["dates_done"]) == ("fix", 6, 2)


@pytest.mark.parametrize(("how", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_the_run_at_once_and_is_recorded(
    database: Database, start_recon: Start, run_recon: Run, how: signal.Signals, code: int
) -> None:
    rows = fill(database, source_rows(DATES))
    ended, (stdout, stderr) = stopped(database, start_recon, 4, how)
    assert ended == code, stderr
    error = json.loads(stdout)["error"]
    assert error["code"] == "interrupted"
    assert "recon resume" in error["hint"]
    assert "Traceback" not in stderr
    assert oracle.stored(database) == oracle.calculations(row for row in rows if row[0] in DATES[:4])
    assert runs(run_recon, database)[0]["status"] == "interrupted"
    assert resumed(run_recon, database)["reconciled"] is True
    assert oracle.stored(database) == oracle.calculations(rows)
    assert [run["status"] for run in runs(run_recon, database)] == ["done"]


def test_resume_goes_on_with_the_parameters_the_run_began_with(
    database: Database, start_recon: Start, run_recon: Run, tmp_path: Path
) -> None:
    rows = fill(database, source_rows(DATES))
    miners = write(tmp_path / "m.csv", "miner_model,hashrate_ths,power_w\nS9,13.5,1323")
    stopped(database, start_recon, 2, signal.SIGKILL, "--fleet", "whole", "--miners", miners, "--to", DATES[4])
    miners.unlink()
    found = resumed(run_recon, database)
    assert found["window"] == {"first": DATES[0].isoformat(), "last": DATES[4].isoformat()}
    exact = [r for r in oracle.calculations(rows, whole=True) if r[3] == "S9" and r[0] <= DATES[4]]
    assert [row[:4] for row in oracle.stored(database)] == [row[:4] for row in exact]
    assert all(abs(a[4] - b[4]) <= oracle.SATOSHI for a, b in zip(oracle.stored(database), exact, strict=True))


def test_dates_that_were_filled_meanwhile_are_found_so_and_skipped(
    database: Database, start_recon: Start, run_recon: Run
) -> None:
    rows = fill(database, source_rows(DATES))
    stopped(database, start_recon, 3, signal.SIGKILL)
    run_recon("date", DATES[4], url=database.url)
    (run_id,) = (run["run_id"] for run in runs(run_recon, database) if run["command"] == "fix")
    found = resumed(run_recon, database, run_id)
    assert [entry["status"] for entry in found["dates"]] == ["done", "skipped", "done"]
    assert oracle.stored(database) == oracle.calculations(rows)


class TestNothingToResume:
    def test_is_no_error(self, database: Database, run_recon: Run) -> None:
        assert resumed(run_recon, database) == {
            "schema_version": 1,
            "command": "resume",
            "run_id": None,
            "dates": [],
            "inserted": 0,
        }
        fill(database, source_rows([DAY]))
        run_recon("fix", url=database.url)
        done = run_recon("resume", url=database.url)
        assert (done.returncode, done.stdout) == (0, "nothing to resume: every run is finished\n")

    def test_a_finished_run_resumed_by_name_does_nothing_again(self, database: Database, run_recon: Run) -> None:
        fill(database, source_rows([DAY]))
        run_id = json.loads(run_recon("fix", "--json", url=database.url).stdout)["run_id"]
        found = resumed(run_recon, database, run_id)
        assert (found["run_id"], found["dates"], found["inserted"], found["reconciled"]) == (run_id, [], 0, True)

    def test_a_run_that_is_not_there_is_named(self, database: Database, run_recon: Run) -> None:
        run_recon("init", url=database.url)
        done = run_recon("resume", "7f3a", url=database.url)
        assert done.returncode == 2
        assert done.stderr == "recon: there is no run 7f3a; see 'recon runs'\n"

    def test_a_newer_ledger_is_not_guessed_at(self, database: Database, run_recon: Run) -> None:
        run_recon("init", url=database.url)
        database.execute("update recon.ledger_version set version = 99")
        done = run_recon("resume", url=database.url)
        assert done.returncode == 2
        assert "version 99, this program needs 2" in done.stderr
