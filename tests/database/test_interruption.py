"""Ctrl-C in a program or notebook that uses the library: nothing half is left, and the next call works."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable

import pytest

import recon
from tests.support.builders import DAY, days, fill, source_rows
from tests.support.databases import TABLE, Database
from tests.support.servers import wait_until

CALLS = """
import signal, sys, threading
import recon

signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever started us may have it ignored
url, call = sys.argv[1:]
print("ready", flush=True)
try:
    exec(call)
    print("it went on")
except KeyboardInterrupt:
    print("interrupted", flush=True)
sys.stdin.readline()
report = recon.fix(database_url=url)
print(report.exit_code == 0, threading.active_count(), flush=True)
"""
SLOW = """
create function slow() returns trigger language plpgsql as
$$ begin perform pg_sleep(0.05); return new; end $$
"""


@pytest.fixture
def slow(database: Database) -> Database:
    """Some dates, each of whose rows takes its time to be written."""
    fill(database, source_rows(days(DAY, 12)))
    database.execute(SLOW)
    database.execute(f"create trigger slow before insert on {TABLE} for each row execute function slow()")
    return database


def waits(database: Database, what: str) -> Callable[[], bool]:
    query = f"select count(*)::int from pg_stat_activity where application_name like 'recon/%' and {what}"
    return lambda: database.scalar(query) > 0


@pytest.mark.parametrize(
    ("call", "blocked"),
    [
        ("recon.fix(database_url=url, batch_size=2)", False),
        ("recon.status(database_url=url, values=True)", True),
        ("recon.plan(database_url=url)", True),
        ("recon.verify(database_url=url)", True),
        ("recon.explain('2024-04-20', 1, 'T_A-1', database_url=url)", True),
    ],
)
def test_ctrl_c_ends_a_call_within_two_seconds_and_the_next_one_works(
    slow: Database, environment: dict[str, str], call: str, blocked: bool
) -> None:
    """In the middle of a write; or while it waits for a lock, which no signal would end by itself."""
    if blocked:
        slow.execute("begin")
        slow.execute("lock table curtailment_records in access exclusive mode")
    watching = Database(slow.server, slow.name, slow.url)
    program = [sys.executable, "-c", CALLS, slow.url, call]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen(program, env=environment, text=True, **pipes)  # type: ignore[call-overload]
    try:
        what = "wait_event_type = 'Lock'" if blocked else "wait_event = 'PgSleep'"
        wait_until(waits(watching, what), 60, "its work")
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "ready\n"
        watching.execute("select pg_sleep(2)")
        busy = waits(watching, "state <> 'idle' and pid <> pg_backend_pid()")
        assert not busy(), "it still works"
        if blocked:
            slow.execute("rollback")
        else:
            assert watching.count(TABLE) % 27 == 0, "whole dates"
            assert watching.rows("select status from recon.runs") == [("interrupted",)]
        slow.execute(f"drop trigger slow on {TABLE}")
        out, err = process.communicate("\n", timeout=90)
        assert out.splitlines() == ["interrupted", "True 1"], err
        assert watching.count(TABLE) == 12 * 27
    finally:
        process.kill()
        process.communicate()
        watching.disconnect()


def test_a_call_that_is_interrupted_is_no_matter_of_anothers(slow: Database) -> None:
    """What stops one call by its own order does not stop the sessions of a call on another thread."""
    from recon.core.errors import ExitCode, Interrupted
    from recon.postgres.session import connect
    from recon.postgres.stopping import check_stop, own, stop_all

    with own() as stop, connect(slow.settings) as mine:
        stop_all(ExitCode.INTERRUPTED, stop)
        with pytest.raises(Interrupted):
            mine.rows("select 1 as one")
        with pytest.raises(Interrupted):
            check_stop()
    check_stop()
    assert recon.status(database_url=slow.url).total("missing") == 12 * 27
