"""The way between recon and the server: a proxy that drops, resets, stalls, delays and cuts."""

from __future__ import annotations

from tests.faults.catalogue import fault
from tests.faults.harness import SLOWLY, Trial


@fault("connection dropped while rows are copied")
def dropped(trial: Trial) -> None:
    with trial.at("copying", lambda _: None, skip=3):
        trial.recon(*SLOWLY)


@fault("connection cut before COMMIT reaches the server")
def cut_before_commit(trial: Trial) -> None:
    with trial.at("before COMMIT", lambda _: None, skip=3):
        trial.recon(*SLOWLY)


@fault("connection cut after COMMIT, before its answer: outcome unknown")
def cut_after_commit(trial: Trial) -> None:
    with trial.at("after COMMIT", lambda _: None, skip=3):
        trial.recon(*SLOWLY)
