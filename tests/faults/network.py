"""The way between recon and the server: a proxy that drops, resets, stalls, delays, refuses and cuts."""

from __future__ import annotations

import signal
import time

from tests.faults.catalogue import fault
from tests.faults.harness import SLOWLY, Trial, kill
from tests.support.forked import Process
from tests.support.proxy import Proxy, proxy


@fault("connection dropped while rows are copied")
def dropped(trial: Trial) -> None:
    with trial.at("copying", lambda _: None, skip=3):
        trial.recon(*SLOWLY)


@fault("all connections reset")
def reset(trial: Trial) -> None:
    between: list[Proxy] = []

    def act(_: bytes) -> None:
        between[0].cut(reset=True)

    with trial.at("verifying", act, skip=3) as passing:
        between.append(passing)
        trial.recon(*SLOWLY)


@fault("connection cut before COMMIT reaches the server")
def cut_before_commit(trial: Trial) -> None:
    with trial.at("before COMMIT", lambda _: None, skip=3):
        trial.recon(*SLOWLY)


@fault("connection cut after COMMIT, before its answer: outcome unknown")
def cut_after_commit(trial: Trial) -> None:
    with trial.at("after COMMIT", lambda _: None, skip=3):
        trial.recon(*SLOWLY)


@fault("connection cut after N bytes, N drawn by lot", 0, 3, sees="reconciled|lost|connect|closed")
def cut_after_bytes(trial: Trial) -> None:
    with proxy(trial.server.port) as passing:
        passing.cut_after(trial.chance.randrange(1_000, 150_000))
        trial.recon(*SLOWLY, url=passing.url(trial.database.name))
        assert passing.connections > 1


@fault("every packet 20 ms late in each direction")
def delayed(trial: Trial) -> None:
    with proxy(trial.server.port, delay_s=0.02) as passing:
        trial.recon("fix", url=passing.url(trial.database.name))


@fault("connection stalls for 2 s, then goes on")
def stalls_for_a_while(trial: Trial) -> None:
    def act(piece: bytes) -> bytes:
        time.sleep(2)
        return piece

    with trial.at("recording", act, skip=3):
        trial.recon(*SLOWLY)


@fault("connection stalls half-open for ever: nothing comes, nothing is refused", 3, sees="did not answer")
def stalls_for_ever(trial: Trial) -> None:
    between: list[Proxy] = []

    def act(piece: bytes) -> bytes:
        between[0].stalled = True
        return piece

    with trial.at("recording", act, skip=3) as passing:
        between.append(passing)
        trial.recon(*SLOWLY, "--statement-timeout", 1, "--connect-timeout", 2)


@fault("SIGTERM while a stalled connection is waited for", 143, sees="terminated")
def terminated_while_stalled(trial: Trial) -> None:
    between: list[Proxy] = []
    running: list[Process] = []

    def act(piece: bytes) -> bytes:
        between[0].stalled = True
        kill(running[0], signal.SIGTERM)
        return piece

    with trial.at("recording", act, skip=3) as passing:
        between.append(passing)
        running.append(trial.start(*SLOWLY))
        trial.watch(running[0], timeout=25)


@fault("nobody listens at the address", 3, sees="cannot connect")
def refused(trial: Trial) -> None:
    with proxy(trial.server.port) as passing:
        nobody = passing.url(trial.database.name)
    trial.recon("fix", url=nobody)


@fault("the address accepts connections and never answers", 3, sees="cannot connect .*timeout")
def never_answers(trial: Trial) -> None:
    with proxy(trial.server.port, stalled=True) as passing:
        trial.recon("fix", "--connect-timeout", 2, url=passing.url(trial.database.name))
        passing.stalled = False
