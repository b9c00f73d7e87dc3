"""A synchronous standby that is away: commits would wait for ever, and the cause is named instead."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from recon.core.errors import ReconError
from recon.core.settings import Settings, Timeouts
from recon.postgres.session import connect
from tests.support.databases import Database, new_database
from tests.support.program import Run
from tests.support.servers import Server, wait_until

DAY = "2024-04-20"


def let(database: Database, names: str) -> None:
    """Sets the standbys that commits wait for; settings of the server take a moment to be read."""
    database.execute("set synchronous_commit = local")
    database.execute(f"alter system set synchronous_standby_names = '{names}'")
    database.execute("select pg_reload_conf()")
    wait_until(lambda: database.scalar("select current_setting('synchronous_standby_names')") == names)


@pytest.fixture
def alone(own_server: Server) -> Iterator[Database]:
    database = new_database(own_server)
    database.execute("set synchronous_commit = local")
    database.add_curtailment((DAY, 1, "T_A-1", "-5"))
    let(database, "FIRST 1 (away, gone)")
    yield database
    let(database, "")
    database.disconnect()


def test_what_writes_is_refused_at_once_with_the_cause(alone: Database, run_recon: Run) -> None:
    for command in (["fix"], ["init"], ["minimal", "spot-fix", DAY, 1, "T_A-1"]):
        done = run_recon(*command, url=alone.url, timeout=100)
        line = done.stderr.splitlines()[-1]
        assert done.returncode == 3, done.stderr
        assert "the server's synchronous standby is away (FIRST 1 (away, gone))" in line
        assert "ALTER SYSTEM SET synchronous_standby_names = ''" in line
    assert alone.count("historical_bitcoin_calculations") == 0
    assert run_recon("status", url=alone.url, timeout=100).returncode == 1
    assert run_recon("fix", "--dry-run", url=alone.url, timeout=100).returncode == 1


def test_diagnose_says_so_in_good_time(alone: Database, run_recon: Run) -> None:
    done = run_recon("diagnose", "--json", url=alone.url, timeout=100)
    checks = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    assert done.returncode == 1
    assert checks["synchronous_standby"]["status"] == "fail"
    assert "away" in checks["synchronous_standby"]["detail"]
    assert checks["write_probe"]["value"] > 0


def test_a_role_whose_commits_do_not_wait_works(alone: Database, run_recon: Run) -> None:
    alone.execute("alter role postgres set synchronous_commit = local")
    assert run_recon("fix", url=alone.url, timeout=100).returncode == 0
    alone.execute("alter role postgres reset synchronous_commit")


def test_one_that_leaves_during_a_commit_is_named_by_who_waits(own_server: Server) -> None:
    database = new_database(own_server)
    settings = Settings(database_url=database.url, timeouts=Timeouts(connect_s=2, statement_s=1))
    with connect(settings, "recon/fix/7f3a") as session:
        let(database, "away")
        seen = threading.Event()
        waiting = threading.Thread(target=_write, args=(session, seen), daemon=True)
        waiting.start()
        wait_until(lambda: session.connection.silence() is not None, 20, "silence")
        error = session.connection.silence()
        assert error is not None
        assert error.code == "standby"
        assert "synchronous standby, which is away" in error.message
        seen.set()
        let(database, "")
        waiting.join(10)
    database.disconnect()


def _write(session: Any, seen: threading.Event) -> None:
    """Commits until one waits: that is up to another process of the server, which may read the settings last."""
    with suppress(ReconError):
        for number in itertools.takewhile(lambda _: not seen.is_set(), itertools.count()):
            with session.transaction():
                session.execute(f"create table public.written_{number} (a integer)")
