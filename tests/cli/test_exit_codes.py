"""Exit codes, and arguments that are refused in one line before any connection (there is no server here)."""

from __future__ import annotations

import json
import signal

import adbc_driver_postgresql.dbapi as adbc
import pytest

from tests.support.builders import DAY, fill, source_rows
from tests.support.databases import Database
from tests.support.program import NOBODY, Run, Start
from tests.support.servers import Server, wait_until

"""Whoever connects here ends with 3."""


BAD = [
    (["status", "--from", "2024-13-01"], "'2024-13-01' is not a date"),
    (["status", "--to", "yesterday"], "'yesterday' is not a date"),
    (["status", "--from", "20240420"], "'20240420' is not a date"),
    (
        ["status", "--from", "2024-04-21", "--to", "2024-04-20"],
        "reversed: 2024-04-21 is after 2024-04-20",
    ),
    (["analyze", "--from", "2024-02-30"], "'2024-02-30' is not a date"),
    (["date", "2024-4-2"], "'2024-4-2' is not a date"),
    (["range", "2024-04-21", "2024-04-20"], "the window is reversed"),
    (["range", "2024-04-20"], "END"),
    (["fix", "0"], "BATCH_SIZE"),
    (["fix", "-1"], "-1"),
    (["fix", "many"], "BATCH_SIZE"),
    (["fix", "--workers", "0"], "--workers"),
    (["fix", "--order", "random"], "random"),
    (["fix", "--repair", "everything"], "everything"),
    (["fix", "--max-changes", "lots"], "lots"),
    (["fix", "--statement-timeout", "0"], "--statement-timeout is 0"),
    (["fix", "--fleet", "half"], "half"),
    (["explain", "2024-04-20", "49", "T_A-1"], "2024-04-20 has no settlement period 49; that day has periods 1 to 48"),
    (["explain", "2024-03-31", "47", "T_A-1"], "that day has periods 1 to 46"),
    (["explain", "2024-10-27", "51", "T_A-1"], "that day has periods 1 to 50"),
    (["explain", "2024-04-20", "0", "T_A-1"], "has no settlement period 0"),
    (["explain", "2024-04-20", "x", "T_A-1"], "PERIOD"),
    (["status", "--reader", "psycopg"], "psycopg"),
    (["status", "--synchronous-commit", "maybe"], "on"),
    (["status", "--curtailment-columns", "colour=x"], "'colour=x' does not rename a column"),
    (["fix", "--scheduler", "tcp://a:1"], "--scheduler is for --engine dask; give both, or neither"),
    (["status", "--engine", "dask", "--scheduler", "tcp://a:1", "--scheduler-file", "b"], "name two clusters"),
    (["daily", "--engine", "dask", "--workers", "0"], "--workers is '0'; give a number from 1 to 9999, or auto"),
    (["status", "--cached"], "--cached"),
    (["init", "--partition-by", "month"], "--partition-by"),
    (["status", "--nonsense"], "--nonsense"),
    (["frobnicate"], "frobnicate"),
]


@pytest.mark.parametrize(("arguments", "words"), BAD, ids=[" ".join(arguments) for arguments, _ in BAD])
def test_what_cannot_be_right_is_refused_in_one_line_without_a_connection(
    run_recon: Run, arguments: list[str], words: str
) -> None:
    done = run_recon(*arguments, url=NOBODY)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("recon: ")
    assert words in line


def test_no_database_named_is_2_and_says_how_to_name_one(run_recon: Run) -> None:
    done = run_recon("status")
    assert done.returncode == 2
    for word in ("--database-url", "RECON_DATABASE_URL", "DATABASE_URL", "PGHOST", "recon demo"):
        assert word in done.stderr


def test_nobody_there_is_3(run_recon: Run) -> None:
    for command in (["status"], ["fix"], ["date", DAY], ["resume"], ["runs"], ["explain", DAY, 1, "T_A-1"], ["init"]):
        assert run_recon(*command, url=NOBODY).returncode == 3
    for command in (["daily"], ["minimal", "most-critical"], ["diagnose"], ["diagnose", "test"]):
        assert run_recon(*command, url=NOBODY).returncode == 3


def test_differences_are_1_and_their_absence_0(database: Database, run_recon: Run) -> None:
    fill(database, source_rows([DAY]))
    codes = [run_recon(*command, url=database.url).returncode for command in (["status"], ["fix"], ["status"], ["fix"])]
    assert codes == [1, 0, 0, 0]


def test_dates_that_are_blocked_are_4_whatever_else_differs(database: Database, run_recon: Run) -> None:
    fill(database, [*source_rows([DAY]), ("2035-01-01", 1, "T_A-1", "-1")])
    database.add_calculations((DAY, 1, "GHOST", "S9", 1, 1))
    assert run_recon("status", url=database.url).returncode == 1
    for command in (["fix"], ["date", "2035-01-01"], ["range", DAY, "2035-01-01"], ["resume"]):
        assert run_recon(*command, url=database.url).returncode == 4, command
    assert run_recon("date", DAY, url=database.url).returncode == 1, "an orphan is left"


def test_a_right_that_is_missing_is_3_whatever_is_blocked(server: Server, database: Database, run_recon: Run) -> None:
    fill(database, [*source_rows([DAY]), ("2035-01-01", 1, "T_A-1", "-1")])
    server.create_role("reader", "secret")
    database.execute("grant select on all tables in schema public to reader")
    done = run_recon("fix", url=server.role_url("reader", "secret", database.name))
    assert done.returncode == 3
    assert "INSERT" in done.stderr


@pytest.mark.parametrize(("how", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_command_that_waits_for_the_server(
    database: Database, start_recon: Start, how: signal.Signals, code: int
) -> None:
    fill(database, source_rows([DAY]))
    with adbc.connect(database.url) as holder, holder.cursor() as cursor:
        cursor.execute("lock table curtailment_records")
        commands = (["status"], ["analyze"], ["minimal", "critical-date", str(DAY)], ["verify"])
        running = [start_recon(*command, url=database.url) for command in commands]
        waiting = "select count(*) from pg_locks where not granted"
        wait_until(lambda: database.scalar(waiting) == len(commands), 30, "every command's wait")
        for process in running:
            process.send_signal(how)
        outputs = [process.communicate(timeout=20) for process in running]
        holder.rollback()
    assert [process.returncode for process in running] == [code] * len(commands), outputs
    assert all(stdout == "" and len(stderr.splitlines()) == 1 for stdout, stderr in outputs), outputs


def test_the_code_speaks_of_the_window_given(database: Database, run_recon: Run) -> None:
    fill(database, source_rows([DAY]))
    assert run_recon("status", "--from", "2024-04-21", url=database.url).returncode == 0
    assert run_recon("date", "2024-04-21", url=database.url).returncode == 0


def test_help_lists_every_code(run_recon: Run) -> None:
    for arguments in (["--help"], ["-h"]):
        done = run_recon(*arguments)
        assert done.returncode == 0
        text = " ".join(done.stdout.split())
        for part in ("0 done", "1 differences", "2 usage", "3 database", "4 some dates", "130 interrupted", "143 term"):
            assert part in text


def test_every_command_has_help(run_recon: Run) -> None:
    for command in ("status", "analyze", "fix", "date", "range", "resume", "runs", "explain", "init", "demo", "sample"):
        done = run_recon(command, "--help")
        assert done.returncode == 0
        assert command in done.stdout


def test_usage_errors_are_documents_with_json(run_recon: Run) -> None:
    for arguments in (["fix", "0"], ["date", "never"], ["frobnicate"]):
        done = run_recon("--json", *arguments, url=NOBODY)
        assert done.returncode == 2
        assert json.loads(done.stdout)["error"]["code"] == "usage"
