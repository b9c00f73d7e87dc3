"""Only one `daily`: by a lease that expires by itself, whatever became of who held it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from recon.core.errors import IncompleteError
from recon.core.plan import DateResult
from recon.postgres import leases
from recon.postgres.leases import Lease
from recon.postgres.session import connect
from recon.reconcile import daily, run, watcher
from recon.reconcile.request import FixRequest, Job
from recon.reference import reference
from tests.support.builders import DAY, days, fill, source_rows
from tests.support.databases import TABLE, Database
from tests.support.inbox import inbox
from tests.support.program import Run
from tests.support.roles import WRITER, grant, role_url


def lease(database: Database, holder: str) -> Lease:
    return Lease(database.settings, "daily 1", holder, "recon daily", "recon/daily/test")


def take(database: Database, holder: str) -> Lease:
    found = lease(database, holder)
    with connect(database.settings) as session:
        found.take(session)
    return found


def test_one_holds_it_until_it_is_released_or_expires(database: Database) -> None:
    first = take(database, "one")
    with pytest.raises(IncompleteError, match="another 'recon daily' is at work") as caught:
        take(database, "two")
    assert (caught.value.code, caught.value.exit_code) == ("busy", 4)
    assert "run one" in caught.value.hint
    first.release()
    second = take(database, "two")
    first.release()  # no longer its own
    with pytest.raises(IncompleteError):
        take(database, "three")
    database.execute("update recon.leases set expires_at = now()")
    take(database, "three")
    second.release()
    with pytest.raises(IncompleteError):
        take(database, "four")


def test_it_is_renewed_as_the_work_goes_on(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = take(database, "mine")
    until = database.scalar("select expires_at from recon.leases")
    mine.renew()
    assert database.scalar("select expires_at from recon.leases") == until, "once a minute is enough"
    monkeypatch.setattr(leases, "RENEW_EVERY_S", 0.0)
    mine.renew()
    assert database.scalar("select expires_at from recon.leases") > until


class Thief(watcher.Watcher):
    """Another run takes the lease, which has expired, as soon as a date is finished."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def finished(self, result: DateResult) -> None:
        self.database.execute(f"update recon.leases set holder = 'thief of {result.day}'")


def test_a_run_that_lost_it_stops_and_what_it_committed_stays(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    dates = days(DAY, 60)  # more than two workers finish while the loss is noticed
    fill(database, source_rows(dates, farms=1, periods=(1,)))
    monkeypatch.setattr(leases, "RENEW_EVERY_S", 0.0)
    monkeypatch.setattr(run, "CHUNK_ROWS", 3)
    known = reference.load(None, None, None, Path("nowhere"))
    with pytest.raises(IncompleteError, match="another 'recon daily' has begun since") as caught:
        job = Job("slow", "daily", database.settings, known)
        daily.daily(job, FixRequest(daily.window(dates[-1], 60)), watcher=Thief(database))
    assert caught.value.code == "lease_lost"
    assert database.scalar("select status from recon.runs") == "failed"
    recorded = database.scalar("select sum(inserted)::int from recon.run_dates")
    assert 0 < database.count(TABLE) == recorded
    assert database.scalar("select holder like 'thief of %' from recon.leases")


def test_a_night_after_one_that_was_killed_goes_on_once_the_lease_has_expired(
    database: Database, run_recon: Run, tmp_path: Path
) -> None:
    """The one that gives way tells nobody: neither that it began nor that it failed."""
    fill(database, source_rows([DAY], farms=1, periods=(1,)))
    assert run_recon("daily", "--today", DAY, url=database.url).returncode == 0
    database.execute("update recon.leases set holder = 'dead', expires_at = now() + interval '9 minutes'")
    metrics = tmp_path / "m.prom"
    with inbox() as messages:
        told = ("--ping-url", f"{messages.url}/check", "--webhook", f"{messages.url}/hook", "--metrics-file", metrics)
        done = run_recon("daily", "--today", DAY, "--json", *told, url=database.url)
        assert (done.returncode, json.loads(done.stdout)["error"]["code"]) == (4, "busy")
        assert messages.taken() == []
        assert not metrics.exists()
        log = tmp_path / "log"
        assert run_recon("daily", "--today", DAY, "--log-file", log, *told, url=database.url).returncode == 4
        assert "another 'recon daily' is at work" in log.read_text().splitlines()[-1]
        assert (messages.taken(), metrics.exists()) == ([], False)
        database.execute("update recon.leases set expires_at = now()")
        assert run_recon("daily", "--today", DAY, *told, url=database.url).returncode == 0
        assert [message[0] for message in messages.taken()] == ["/check/start", "/check/0", "/hook"]


def test_a_night_behind_a_pooler_does_not_keep_the_next_one_away(
    database: Database, pooled: Callable[..., str], run_recon: Run
) -> None:
    fill(database, source_rows([DAY], farms=1, periods=(1,)))
    url = pooled(1)
    for _ in range(2):
        assert run_recon("daily", "--today", DAY, url=url).returncode == 0


def test_without_a_ledger_it_is_created_or_the_statements_are_told(database: Database, run_recon: Run) -> None:
    fill(database, source_rows([date(2024, 1, 1)], farms=1, periods=(1,)))
    url = role_url(database, "recon")
    for statement in (f"grant select, insert on {TABLE} to", "grant select on curtailment_records to"):
        database.execute(f'{statement} "recon_{database.name}"')
    database.execute(f'grant usage on sequence {TABLE}_id_seq to "recon_{database.name}"')
    done = run_recon("daily", "--today", "2024-01-01", url=url)
    assert done.returncode == 3
    assert "create table if not exists recon.leases" in done.stderr
    assert run_recon("init", url=database.url).returncode == 0
    grant(database, f"recon_{database.name}", WRITER)
    assert run_recon("daily", "--today", "2024-01-01", url=url).returncode == 0
