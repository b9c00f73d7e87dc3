"""The server ends sessions, stops, crashes, recovers slowly, loses asynchronous commits, or is read-only."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import suppress
from pathlib import Path

from tests.faults.catalogue import fault
from tests.faults.data import DATES
from tests.faults.harness import SLOWLY, Trial, backend_pids, kill
from tests.faults.judge import Verdict, judge
from tests.support.databases import TABLE
from tests.support.forked import Process
from tests.support.servers import Server

CHUNKS_BEFORE = 8


def end_sessions(trial: Trial, working: str) -> None:
    """pg_terminate_backend on recon's sessions that do this, and they are gone."""
    pids = backend_pids(trial.database, working)
    assert pids, f"no session of recon with the query {working}"
    for pid in pids:
        trial.database.execute(f"select pg_terminate_backend({pid}, 5000)")


@fault("pg_terminate_backend in the middle of COPY")
def terminated_in_copy(trial: Trial) -> None:
    def act(piece: bytes) -> bytes:
        end_sessions(trial, "COPY %FROM STDIN%")
        return piece

    with trial.at("copying", act, skip=3):
        trial.recon(*SLOWLY)


@fault("pg_terminate_backend between COPY and COMMIT")
def terminated_before_commit(trial: Trial) -> None:
    def act(piece: bytes) -> bytes:
        end_sessions(trial, "%update recon.run_dates%")
        return piece

    with trial.at("before COMMIT", act, skip=3):
        trial.recon(*SLOWLY)


@fault("all sessions ended by an administrator")
def all_terminated(trial: Trial) -> None:
    def act(piece: bytes) -> bytes:
        end_sessions(trial, "%")
        return piece

    with trial.at("verifying", act, skip=3):
        trial.recon(*SLOWLY)


@fault("a backend killed by SIGKILL: the server restarts itself", durable=True)
def backend_killed(trial: Trial) -> None:
    def act(_: bytes) -> None:
        (pid, *_) = backend_pids(trial.database, "COPY %FROM STDIN%")
        trial.database.disconnect()
        trial.server.kill(pid)
        wait_for_server(trial)

    with trial.at("copying", act, skip=3):
        trial.recon(*SLOWLY, "--synchronous-commit", "on")


@fault("pg_ctl restart -m fast in the middle of a chunk", durable=True)
def restarted(trial: Trial) -> None:
    restart_while_it_runs(trial, trial.server.stop)


@fault("pg_ctl stop -m immediate, and restart", durable=True)
def crashed(trial: Trial) -> None:
    restart_while_it_runs(trial, trial.server.crash)


@fault("SIGKILL of the postmaster, and restart", durable=True)
def postmaster_killed(trial: Trial) -> None:
    restart_while_it_runs(trial, lambda: kill_postmaster(trial.server))


@fault("crash, and a recovery that takes longer than 10 s", durable=True)
def slow_recovery(trial: Trial) -> None:
    holding = threading.Thread(target=hold_recovery, args=(trial.server, trial.stage.long_s))

    def slowly() -> None:
        trial.server.crash()
        holding.start()

    restart_while_it_runs(trial, slowly)
    holding.join()


@fault(
    "crash of server and recon at once: asynchronous commits are lost with their ledger lines",
    -9,
    sees="",
    durable=True,
)
def asynchronous_commits_lost(trial: Trial) -> None:
    """The proof: some chunks whose COMMIT was answered are gone, and with each of them its line in the ledger."""
    kept = chunks_after_crash(trial)
    assert kept < CHUNKS_BEFORE, "nothing was lost, so nothing was proven"
    trial.note = f"{CHUNKS_BEFORE - kept} of {CHUNKS_BEFORE} committed chunks lost, each with its ledger line"


@fault("the same with --synchronous-commit on: nothing that was reported done is lost", -9, sees="", durable=True)
def synchronous_commits_kept(trial: Trial) -> None:
    kept = chunks_after_crash(trial, "--synchronous-commit", "on")
    assert kept == CHUNKS_BEFORE, f"{kept} of {CHUNKS_BEFORE} chunks"
    trial.note = f"{kept} of {CHUNKS_BEFORE} committed chunks kept"


@fault("read-only server (default_transaction_read_only)", 3, sees="read-only")
def read_only(trial: Trial) -> None:
    trial.database.execute(f"alter database {trial.database.name} set default_transaction_read_only = on")
    trial.recon("fix")
    assert trial.program.run("status", url=trial.url).code == 1, "reading is still possible"
    trial.database.execute(f"alter database {trial.database.name} reset default_transaction_read_only")


@fault("a standby in recovery; the next run after its promotion", 3, sees="read-only|recovery", durable=True)
def standby(trial: Trial) -> None:
    trial.database.disconnect()
    trial.server.stop()
    (trial.server.data_dir / "standby.signal").touch()
    trial.server.start()
    trial.recon("fix")
    assert trial.program.run("status", url=trial.url).code == 1, "reading is still possible"
    promoted = trial.server.run("pg_ctl", "promote", "-w", "-D", str(trial.server.data_dir))
    assert promoted.returncode == 0, promoted.stderr


def restart_while_it_runs(trial: Trial, stop) -> None:
    """Stops the server just before a COMMIT and starts it again; recon goes on as it likes."""

    def act(_: bytes) -> None:
        trial.database.disconnect()
        stop()
        trial.server.start()

    with trial.at("before COMMIT", act, skip=CHUNKS_BEFORE):
        trial.recon(*SLOWLY)


def chunks_after_crash(trial: Trial, *options: str) -> int:
    """How many of the chunks that were committed are there after recon and the server died at once."""
    running: list[Process] = []

    def act(_: bytes) -> None:
        trial.database.disconnect()
        kill(running[0])
        trial.server.crash()

    with trial.at("before COMMIT", act, skip=CHUNKS_BEFORE):
        running.append(trial.start(*SLOWLY, *options))
        trial.watch(running[0])
    trial.server.start()
    found = judge(trial.truth, finished=False)
    assert found == Verdict(), found
    newest = ", ".join(f"'{day}'" for day in DATES[-CHUNKS_BEFORE:])
    theirs = ", ".join(map(str, trial.truth.others))
    return int(
        trial.database.scalar(
            f"select count(distinct settlement_date) from {TABLE}"
            f" where settlement_date in ({newest}) and id not in ({theirs})"
        )
    )


def kill_postmaster(server: Server) -> None:
    """SIGKILL to the postmaster; its orphans notice, and end."""
    pid = server.pid
    orphans = children(pid)
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 20
    while any(Path(f"/proc/{orphan}").exists() for orphan in orphans) and time.monotonic() < deadline:
        time.sleep(0.05)


def hold_recovery(server: Server, seconds: float) -> None:
    """Holds the process that replays the log, as soon as it is there, for so long."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with suppress(OSError, ValueError, IndexError):
            for child in children(server.pid):
                if b"startup" in Path(f"/proc/{child}/cmdline").read_bytes():
                    os.kill(child, signal.SIGSTOP)
                    time.sleep(seconds)
                    os.kill(child, signal.SIGCONT)
                    return
        time.sleep(0.001)


def children(pid: int) -> list[int]:
    """The processes that a process has started."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def wait_for_server(trial: Trial) -> None:
    """Waits until the server lets somebody in again."""
    deadline = time.monotonic() + 30
    while True:
        try:
            trial.database.scalar("select 1")
            return
        except Exception:
            trial.database.disconnect()
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
