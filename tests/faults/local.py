"""The machine that recon runs on: its clock, its disk, and whoever reads its output."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.faults.catalogue import fault
from tests.faults.harness import SLOWLY, Trial, kill
from tests.faults.judge import unfinished
from tests.support.forked import Process

FULL = Path("/dev/full")


def no_full_disk() -> str:
    """Why there is no full disk to write to."""
    return "" if FULL.exists() else "there is no /dev/full"


@fault("the clock steps back by an hour whenever it is read")
def clock_steps_back(trial: Trial) -> None:
    trial.program.tampering = "clock"
    trial.recon(*SLOWLY, "--log-file", trial.stage.home / "clock.log")
    trial.program.tampering = ""


@fault("the server's clock was set back by a day since the run began", -9, sees="")
def clock_set_back(trial: Trial) -> None:
    running: list[Process] = []
    with trial.at("before COMMIT", lambda _: kill(running[0]), skip=3):
        running.append(trial.start(*SLOWLY))
        trial.watch(running[0])
    trial.sessions_end()
    for column in ("started_at", "finished_at"):
        trial.database.execute(f"update recon.runs set {column} = {column} + interval '1 day'")
    trial.database.execute("update recon.run_dates set updated_at = updated_at + interval '1 day'")
    assert unfinished(trial.database)


@fault("a full disk for the log file", sees="the log file /dev/full cannot be written", impossible=no_full_disk)
def log_on_a_full_disk(trial: Trial) -> None:
    trial.recon(*SLOWLY, "--log-file", FULL)


@fault("a full disk for the output", 2, sees="output cannot be written: No space left", impossible=no_full_disk)
def output_on_a_full_disk(trial: Trial) -> None:
    with FULL.open("w") as full:
        trial.watch(trial.start("fix", stdout=full.fileno()))


@fault("a closed stdout: recon status | head -1", 1, sees="")
def reader_leaves(trial: Trial) -> None:
    into_head(trial, "status")


@fault("a closed stdout: recon fix | head -1", 0, sees="")
def reader_leaves_a_fix(trial: Trial) -> None:
    into_head(trial, *SLOWLY)


def into_head(trial: Trial, *arguments: object) -> None:
    """The program's output goes to `head -1`, which leaves as soon as it has its line."""
    reading, writing = os.pipe()
    head = subprocess.Popen(["head", "-n", "0"], stdin=reading)
    os.close(reading)
    head.wait()
    try:
        process = trial.start(*arguments, stdout=writing)
    finally:
        os.close(writing)
    trial.watch(process)
