"""Chunks on a Dask cluster: its workers, its scheduler and its client die, are slow, come late, or are not fit."""

from __future__ import annotations

import random
import signal
import subprocess
import threading
import time
from dataclasses import dataclass

import psutil
from distributed import Client

from tests.faults.catalogue import fault
from tests.faults.harness import Stage, Trial, kill, one_line
from tests.faults.judge import Verdict, judge
from tests.faults.program import Outcome
from tests.support.cluster import Cluster, end
from tests.support.servers import wait_until

PATIENCE_S = 2
KILLED = "a worker is killed at a random time, and another one comes"
SKIP = 3


def start(trial: Trial, cluster: Cluster, *arguments: object) -> subprocess.Popen[str]:
    """recon with its chunks on the cluster, whose workers take the same way to the server."""
    cluster.serve(trial.url)
    return trial.start(*(arguments or ("fix", 1)), *options(cluster))


def options(cluster: Cluster) -> tuple[object, ...]:
    """Those that name the cluster."""
    return ("--engine", "dask", "--scheduler-file", cluster.scheduler_file, "--wait-for-workers", PATIENCE_S)


def recon(trial: Trial, cluster: Cluster, *arguments: object) -> Outcome:
    """The same to its end, and what the user saw."""
    return trial.watch(start(trial, cluster, *arguments))


def connected(cluster: Cluster, port: int) -> list[subprocess.Popen[bytes]]:
    """The workers that have a connection to this port."""
    return [worker for worker in cluster.workers if port in _peers(worker.pid)]


def _peers(pid: int) -> set[int]:
    return {found.raddr.port for found in psutil.Process(pid).net_connections("tcp") if found.raddr}


@fault("a worker that cannot reach the database", 3, sees="worker WORKER: cannot connect to")
def unreachable(trial: Trial) -> None:
    cluster = trial.stage.cluster()
    odd = cluster.join(PGSERVICE="", PGHOST="127.0.0.1", PGPORT="1")
    cluster.wait_for(cluster.size + 1)
    recon(trial, cluster)
    end(odd)


@fault("a worker stands still for 2 s in the middle of a chunk")
def slow_worker(trial: Trial) -> None:
    cluster = trial.stage.cluster()

    def act(piece: bytes) -> bytes:
        (worker,) = connected(cluster, passing.port)
        worker.send_signal(signal.SIGSTOP)
        threading.Timer(2, worker.send_signal, [signal.SIGCONT]).start()
        return piece

    with trial.at("reading", act, skip=SKIP) as passing:
        recon(trial, cluster, "fix", 1, "--workers", 1)


@fault("the client is killed: chunks under way are committed or not", -9, sees="")
def client_killed(trial: Trial) -> None:
    running: list[subprocess.Popen[str]] = []

    def act(piece: bytes) -> bytes:
        kill(running[0])
        return piece

    with trial.at("copying", act, skip=SKIP):
        running.append(start(trial, trial.stage.cluster()))
        trial.watch(running[0])
        trial.sessions_end()


@fault("a worker is killed in the middle of a chunk: another one does it")
def worker_killed(trial: Trial) -> None:
    cluster = trial.stage.cluster()
    with trial.at("copying", lambda _: end(*connected(cluster, passing.port)), skip=SKIP) as passing:
        recon(trial, cluster, "fix", 1, "--workers", 1)


@fault("all workers are killed", 4, sees=f"no worker for {PATIENCE_S} s; .*'recon resume'")
def all_killed(trial: Trial) -> None:
    cluster = trial.stage.cluster(workers=2)

    def act(_: bytes) -> None:
        for worker in cluster.workers:
            end(worker)

    with trial.at("before COMMIT", act, skip=SKIP):
        recon(trial, cluster)


@fault("two workers join one that is at work")
def workers_join(trial: Trial) -> None:
    cluster = trial.stage.cluster(workers=1)

    def act(piece: bytes) -> bytes:
        cluster.join()
        cluster.join()
        cluster.wait_for(3)
        return piece

    with trial.at("reading", act, skip=SKIP):
        recon(trial, cluster)
    assert 0 not in orders_opened(cluster)


@fault("the scheduler is killed", 4, sees="scheduler is gone; .*'recon resume'")
def scheduler_killed(trial: Trial) -> None:
    cluster = trial.stage.cluster()

    def act(piece: bytes) -> bytes:
        assert cluster.scheduler
        end(cluster.scheduler)
        return piece

    with trial.at("copying", act, skip=SKIP):
        recon(trial, cluster)


def orders_opened(cluster: Cluster) -> list[int]:
    """How many orders each worker has opened (the last few)."""
    with Client(cluster.address, timeout=10, set_as_default=False) as client:
        found = client.run(_orders_opened)
    return list(found.values())


def _orders_opened() -> int:
    from recon.reconcile.dask.worker import _opened

    return _opened.cache_info().currsize


@dataclass(frozen=True)
class WorkerKill:
    """When and which worker is killed, and what it is doing."""

    fraction: float
    """Of an undisturbed run's duration."""
    worker: int
    arguments: tuple[object, ...]
    unique_index: bool


def draw(seed: int, number: int) -> WorkerKill:
    """Kill number N of a seed: always the same."""
    chance = random.Random(f"{seed}/worker/{number}")
    arguments = ("fix", chance.choice((1, 1, 2, 3)), "--order", chance.choice(("newest", "oldest")))
    arguments += ("--workers", chance.choice((1, 2, 3, "auto")))
    return WorkerKill(chance.random(), chance.randrange(100), arguments, chance.random() < 0.5)


def undisturbed(stage: Stage) -> float:
    """The seconds from a run's first chunk to its end; its result has to be right."""
    with stage.trial() as trial:
        process = start(trial, stage.cluster())
        _wait_for_a_chunk(trial, process)
        first = time.monotonic()
        assert trial.watch(process).code == 0, trial.seen
        assert judge(trial.truth, finished=True) == Verdict()
    return time.monotonic() - first


def _wait_for_a_chunk(trial: Trial, process: subprocess.Popen[str]) -> None:
    locked = "select count(*) from pg_locks where locktype = 'advisory' and database ="
    locked += " (select oid from pg_database where datname = current_database())"
    wait_until(lambda: trial.database.scalar(locked) or process.poll() is not None, 60, "the first chunk")


def play(stage: Stage, planned: WorkerKill, duration: float) -> tuple[Trial, Verdict]:
    """One kill, within the run's chunks; what is there just after the run and in the end are both judged."""
    with stage.trial(planned) as trial:
        if planned.unique_index:
            trial.database.add_unique_index()
        cluster = stage.cluster()
        process = start(trial, cluster, *planned.arguments)
        _wait_for_a_chunk(trial, process)
        time.sleep(planned.fraction * duration)
        end(cluster.workers[planned.worker % cluster.size])
        cluster.join()
        outcome = trial.watch(process)
        assert outcome.code == 0, f"exit code {outcome.code}: {outcome.stderr}"
        assert one_line(outcome), outcome.stderr
        trial.sessions_end()
        return trial, judge(trial.truth, finished=True) + trial.finish()
