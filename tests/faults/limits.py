"""Timeouts, locks that others hold, and what a server can run out of."""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import adbc_driver_postgresql.dbapi as adbc

from tests.faults.catalogue import fault
from tests.faults.data import DATES
from tests.faults.harness import SLOWLY, Trial
from tests.support.databases import TABLE

DAY = DATES[7]
FULL_KB = 128
"""Less than the calculations take."""


def every_row(trial: Trial, body: str) -> None:
    """A trigger of the table's owner; `once` is a sequence that no rollback takes back."""
    trial.database.execute("create sequence once")
    trial.database.execute(
        f"create function hindrance() returns trigger language plpgsql as $$ begin {body}; return new; end $$"
    )
    trial.database.execute(
        f"create trigger hindrance before insert on {TABLE} for each row execute function hindrance()"
    )


def no_more(trial: Trial) -> None:
    """The trigger is taken away."""
    trial.database.execute(f"drop trigger hindrance on {TABLE}")


@fault("statement timeout, once")
def statement_timeout_once(trial: Trial) -> None:
    every_row(trial, "if nextval('once') = 300 then perform pg_sleep(5); end if")
    trial.recon(*SLOWLY, "--statement-timeout", 1)


@fault("statement timeout of several dates, halved until they fit")
def statement_timeout_halved(trial: Trial) -> None:
    every_row(trial, "perform pg_sleep(0.002)")
    trial.recon("fix", 4, "--from", DATES[-4], "--workers", 1, "--statement-timeout", 0.7)


@fault("statement timeout, every time", 4, sees="timeout")
def statement_timeout_always(trial: Trial) -> None:
    every_row(trial, "perform pg_sleep(2)")
    trial.recon("date", DAY, "--statement-timeout", 0.3)
    no_more(trial)


@fault("a lock held by another session for 1.5 s")
def lock_released(trial: Trial) -> None:
    rival = trial.rival()
    rival.execute("begin")
    rival.execute(f"lock table {TABLE} in share mode")
    release = threading.Timer(1.5, lambda: rival.execute("commit"))
    release.start()
    trial.recon(*SLOWLY)
    release.join()


@fault("a lock held by another session longer than the lock timeout", 4, sees="lock")
def lock_kept(trial: Trial) -> None:
    rival = trial.rival()
    rival.execute("begin")
    rival.execute(f"lock table {TABLE} in share mode")
    trial.recon("date", DAY, "--lock-timeout", 0.2)
    rival.execute("rollback")


@fault("a table locked away from readers too (as by ALTER TABLE)", 3, sees="lock")
def locked_away(trial: Trial) -> None:
    rival = trial.rival()
    rival.execute("begin")
    rival.execute(f"lock table {TABLE} in access exclusive mode")
    trial.recon("fix", "--lock-timeout", 0.2)
    rival.execute("rollback")


@fault("idle-in-transaction timeout")
def idle_timeout(trial: Trial) -> None:
    def act(piece: bytes) -> bytes:
        time.sleep(1.5)
        return piece

    with trial.at("recording", act, skip=3):
        trial.recon(*SLOWLY, "--idle-timeout", 1)


def take_all_connections(trial: Trial) -> ExitStack:
    """Every connection the server has left, until the stack is closed; also those that are just being given up."""
    taken, refusals = ExitStack(), 0
    while refusals < 5:
        try:
            taken.enter_context(adbc.connect(trial.database.url))
        except adbc.Error:
            refusals += 1
            time.sleep(0.1)
    return taken


@fault("max_connections exhausted", 3, sees="cannot connect .*too many|cannot connect .*connection slots", durable=True)
def no_connection(trial: Trial) -> None:
    with take_all_connections(trial):
        trial.recon("fix")


@fault("max_connections exhausted for 2 s in the middle of a run", durable=True)
def no_connection_for_a_while(trial: Trial) -> None:
    def act(piece: bytes) -> bytes:
        taken = take_all_connections(trial)
        threading.Timer(2, taken.close).start()
        return piece

    with trial.at("storing the plan", act):
        trial.recon(*SLOWLY)


def no_mount() -> str:
    """Why no small file system can be mounted."""
    if os.geteuid():
        return "only root may mount a small file system"
    with tempfile.TemporaryDirectory() as place:
        if subprocess.run(["mount", "-t", "tmpfs", "none", place], capture_output=True).returncode:
            return "mounting is not permitted here"
        subprocess.run(["umount", place], check=True)
    return ""


@fault("disk full (a small tmpfs as tablespace)", 4, sees="No space left on device", impossible=no_mount)
def disk_full(trial: Trial) -> None:
    place = Path(tempfile.mkdtemp(prefix="recon-disk-"))
    options = f"size={FULL_KB}k,uid={trial.server.uid},gid={trial.server.gid},mode=0700"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", str(place)], check=True)
    trial.afterwards.callback(place.rmdir)
    trial.afterwards.callback(subprocess.run, ["umount", str(place)], check=True)
    name = place.name.replace("-", "_")
    trial.database.execute(f"create tablespace {name} location '{place}'")
    trial.afterwards.callback(trial.server.execute, f"drop tablespace {name}")
    trial.database.execute(f"alter table {TABLE} set tablespace {name}")
    trial.recon(*SLOWLY)
    subprocess.run(["mount", "-o", "remount,size=16m", str(place)], check=True)


@fault("temp_file_limit, exceeded while rows are written (by a trigger that sorts)", 4, sees="temp_file_limit")
def no_temporary_files(trial: Trial) -> None:
    for name, value in {"temp_file_limit": "0", "work_mem": "'256kB'"}.items():
        trial.database.execute(f"alter database {trial.database.name} set {name} = {value}")
    every_row(trial, "perform n from generate_series(1, 50000) n order by -n")
    trial.recon("date", DAY)
    no_more(trial)
