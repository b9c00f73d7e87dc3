"""Chunks on a real Dask cluster of three workers: the same rows, nothing secret on the wire, bounds, and its faults."""

from __future__ import annotations

import json
import re
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from recon.cli.app import main
from tests.faults import cluster
from tests.faults.catalogue import ON_A_CLUSTER, Fault, catalogue, play
from tests.faults.data import BEFORE, DATES
from tests.faults.harness import Stage, Trial
from tests.faults.judge import Verdict, judge
from tests.support import oracle
from tests.support.databases import TABLE, Database
from tests.support.proxy import proxy
from tests.support.servers import wait_until

PASSWORD = "between-us-2"
CHOSEN = "hashtext(settlement_date::text || settlement_period || farm_id || miner_model) % {} = 0"
DAMAGE = (
    f"update {TABLE} set bitcoin_mined = bitcoin_mined * 2 where {CHOSEN.format(50)}",
    f"delete from {TABLE} where {CHOSEN.format(7)}",
    f"update {TABLE} set farm_id = 'GONE_' || farm_id where {CHOSEN.format(90)}",
)
"""Wrong, missing and surplus rows; the same ones wherever the same rows are."""
WHAT_DIFFERS = ("run_id", "seconds", "attempts", "next")


@pytest.fixture(scope="module")
def both(stage: Stage) -> Iterator[tuple[Trial, Trial]]:
    """Two databases with the same in them: one for threads, one for the cluster."""
    with stage.trial() as by_threads, stage.trial() as on_workers:
        yield by_threads, on_workers


def answers(both: tuple[Trial, Trial], *command: object) -> tuple[int, dict[str, Any]]:
    """Exit code and document of a command, which are the same on threads and on the cluster."""
    by_threads, on_workers = both
    running = on_workers.stage.cluster()
    running.serve(on_workers.url)
    expected = said(by_threads, *command)
    assert said(on_workers, *command, *cluster.options(running)) == expected
    assert oracle.stored(by_threads.database) == oracle.stored(on_workers.database)
    return expected


def said(trial: Trial, *command: object) -> tuple[int, dict[str, Any]]:
    """What a command says, in this process: that is quicker."""
    with redirect_stdout(StringIO()) as out:
        code = main([*map(str, command), "--json", "--quiet", "--database-url", trial.url])
    return code, comparable(json.loads(out.getvalue()))


def comparable(document: Any) -> Any:
    """Without what differs from run to run."""
    if isinstance(document, list):
        return [comparable(entry) for entry in document]
    if isinstance(document, dict):
        return {name: comparable(value) for name, value in document.items() if name not in WHAT_DIFFERS}
    return document


def test_every_command_comes_to_the_same_as_on_threads(both: tuple[Trial, Trial]) -> None:
    code, document = answers(both, "range", DATES[0], DATES[6], 2)
    assert (code, document["reconciled"]) == (0, True)
    assert document["inserted"] == both[1].database.count(TABLE) - len(BEFORE) > 0
    code, document = answers(both, "fix", 1, "--order", "oldest")
    assert (code, {entry["status"] for entry in document["dates"]}) == (0, {"done"})
    assert judge(both[1].truth, finished=True) == Verdict()
    assert 0 not in cluster.orders_opened(both[1].stage.cluster()), "each worker had its share"
    for trial in both:
        for statement in DAMAGE:
            trial.database.execute(statement)
    code, document = answers(both, "status", "--values")
    assert (code, document["values"]["agree"]) == (1, False)
    mending = ("fix", 3, "--repair", "missing,wrong,orphan", "--max-changes", "100%")
    assert answers(both, *mending, "--dry-run")[1]["changes"]
    assert answers(both, *mending, "--yes")[0] == 0
    assert answers(both, "daily", "--today", DATES[-1], "--days", 9)[0] == 0


def test_chunks_come_in_the_order_asked_for_and_never_more_at_once_than_connections(stage: Stage) -> None:
    running = stage.cluster()
    with stage.trial() as trial, most_sessions(trial.database) as most:
        slowed(trial.database)
        running.serve(trial.url)
        one = ("--workers", 1, "--to", DATES[5])
        assert said(trial, "fix", 1, *one, *cluster.options(running))[0] == 0
        days = trial.database.rows("select settlement_date from recon.run_dates order by updated_at")
        assert [day for (day,) in days] == DATES[:6]
        assert most() == 1
        with all_taken_but(5, trial.database):
            assert said(trial, "fix", 1, *cluster.options(running))[0] == 0
        assert most() == 2, "of five, recon asks with one, and two are left to others"
        assert judge(trial.truth, finished=True) == Verdict()


@contextmanager
def all_taken_but(left: int, database: Database) -> Iterator[None]:
    """As long as the block runs, others have all of the server's connections but so many."""
    (free,) = database.rows(
        "select current_setting('max_connections')::int4 - current_setting('superuser_reserved_connections')::int4"
        " - count(*)::int4 from pg_stat_activity where backend_type = 'client backend'"
    )[0]
    others = [Database(database.server, database.name, database.url) for _ in range(free - left)]
    try:
        for other in others:
            other.scalar("select 1")
        yield
    finally:
        for other in others:
            other.disconnect()


def slowed(database: Database) -> None:
    """Every chunk takes a while from now on, so that several are seen at once."""
    database.execute(
        "create function pause() returns trigger language plpgsql as 'begin perform pg_sleep(0.05); return null; end'"
    )
    database.execute(f"create trigger pause after insert on {TABLE} execute function pause()")


@contextmanager
def most_sessions(database: Database) -> Iterator[Callable[[], int]]:
    """The most sessions of a run that were in a transaction at the same time while the block ran."""
    watcher, over, seen = Database(database.server, database.name, database.url), threading.Event(), [0]
    count = (
        "select count(*) from pg_stat_activity where application_name like 'recon/fix/%' and xact_start is not null"
        " and datname = current_database() and exists (select from pg_locks l where l.pid = pg_stat_activity.pid"
        " and l.locktype = 'advisory')"
    )

    def watch() -> None:
        while not over.wait(0.02):
            seen.append(watcher.scalar(count))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield lambda: max(seen)
    finally:
        over.set()
        thread.join()
        watcher.disconnect()


def test_no_password_leaves_the_client_unless_it_is_told_to_send_it(stage: Stage) -> None:
    running = stage.cluster()
    with stage.trial() as trial, proxy(int(running.address.rpartition(":")[2])) as passing:
        sent = bytearray()
        passing.to_server = lambda data: (sent.extend(data), data)[1]
        role = stage.server().create_role("owner", PASSWORD)
        trial.database.execute(f"grant all on all tables in schema public to {role}")
        trial.database.execute(f"grant all on all sequences in schema public to {role}")
        trial.database.execute(f'grant create on database "{trial.database.name}" to {role}')
        trial.url = stage.server().role_url(role, PASSWORD, trial.database.name)
        running.serve(trial.url)
        arguments = ("--engine", "dask", "--scheduler", f"tcp://127.0.0.1:{passing.port}")
        assert trial.recon("fix", 2, *arguments).code == 0
        assert b"worked" in sent and TABLE.encode() in sent, "the tasks went this way"
        assert PASSWORD.encode() not in sent
        outcome = trial.recon("status", "--values", *arguments, "--send-database-url")
        assert "goes to tcp://127.0.0.1" in outcome.stderr and "use a tls:// scheduler" in outcome.stderr
        assert PASSWORD.encode() in sent
        assert PASSWORD not in (running.directory / "cluster.log").read_text() + outcome.stderr + outcome.stdout


def test_a_worker_that_is_not_fit_is_named_before_anything_is_written(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    """One that has no database when a run begins, and one that has another than the client when it goes on."""
    running = stage.cluster()
    elsewhere = {"RECON_DATABASE_URL": stage.server().url}
    unfit = [
        ("fix", {"PGSERVICE": ""}, "no database is named; pass --database-url"),
        ("resume", elsewhere, "it is connected to another database"),
    ]
    with stage.trial() as trial:
        running.serve(trial.url)
        arguments = ("--database-url", trial.url, *cluster.options(running))
        for command, environment, reason in unfit:
            odd = running.join(**environment)
            running.wait_for(running.size + 1)
            assert main([*map(str, (command, *arguments))]) == 2
            assert re.match(rf"recon: worker tcp://\S+: {reason}", capsys.readouterr().err)
            assert trial.database.count(TABLE) == len(BEFORE)
            cluster.end(odd)
            running.wait_for(running.size)
        assert said(trial, "resume", *cluster.options(running))[0] == 0
        assert judge(trial.truth, finished=True) == Verdict()


@pytest.mark.parametrize("tried", catalogue(ON_A_CLUSTER), ids=lambda tried: tried.name)
def test_nothing_is_lost_after(tried: Fault, stage: Stage) -> None:
    trial, verdict = play(stage, tried, 1)
    assert verdict == Verdict()
    assert trial.finished_by


def test_a_cluster_of_our_own_does_it_too_and_leaves_nothing_behind(stage: Stage) -> None:
    with stage.trial() as trial:
        process = trial.start("fix", 1, "--engine", "dask")
        wait_until(lambda: len(children(process.pid)) > 2 or process.poll() is not None, 30, "its processes")
        ours = children(process.pid)
        outcome = trial.watch(process)
        assert (outcome.code, outcome.stderr) == (0, "")
        assert judge(trial.truth, finished=True) == Verdict()
        wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in ours), 10, "the end of its processes")


def test_a_signal_ends_a_run_on_the_cluster_and_the_ledger_says_so(stage: Stage) -> None:
    with stage.trial() as trial:
        slowed(trial.database)
        process = cluster.start(trial, stage.cluster(), "fix", 1)
        done = "select count(*) from recon.run_dates where status = 'done'"
        wait_until(lambda: has_begun(trial.database) and trial.database.scalar(done) > 0, 30, "the first dates")
        process.send_signal(signal.SIGTERM)
        outcome = trial.watch(process)
        assert (outcome.code, outcome.sees.split(";")[0]) == (143, "recon: terminated")
        assert trial.database.scalar("select status from recon.runs") == "interrupted"
        trial.sessions_end()
        assert judge(trial.truth, finished=False) == Verdict()
        assert trial.finish() == Verdict()


def has_begun(database: Database) -> bool:
    return bool(database.scalar("select to_regclass('recon.run_dates') is not null"))


def children(pid: int) -> set[int]:
    """The processes below this one."""
    import psutil

    return {child.pid for child in psutil.Process(pid).children(recursive=True)}
