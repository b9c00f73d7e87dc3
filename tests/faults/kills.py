"""recon is killed: at a random time, or in one of its phases, by one of three signals."""

from __future__ import annotations

import random
import signal
import time
from dataclasses import dataclass

from tests.faults.harness import MOMENTS, SLOWLY, Stage, Trial, kill, one_line
from tests.faults.judge import Verdict, judge
from tests.faults.program import wait_for_handlers
from tests.support.forked import Process

SIGNALS = {signal.SIGKILL: -9, signal.SIGTERM: 143, signal.SIGINT: 130}
"""And the exit code that the contract has for each (none for the first: nobody is there to choose one)."""
RANDOM_SHARE = 0.5
RANDOMLY = "at a random time"
IN_EVERY_CHUNK = ("taking the lock", "reading", "copying", "verifying", "recording", "before COMMIT", "after COMMIT")


@dataclass(frozen=True)
class Kill:
    """When and how recon is killed, and what it is doing."""

    how: signal.Signals
    phase: str
    """One of MOMENTS, or RANDOMLY."""
    fraction: float
    """Of an undisturbed run's duration."""
    skip: int
    """Chunks that go by before."""
    arguments: tuple[object, ...]
    unique_index: bool

    @property
    def row(self) -> str:
        """Its line of the table."""
        return f"{self.how.name} {RANDOMLY}" if self.phase == RANDOMLY else _in_words(self.phase)


def _in_words(phase: str) -> str:
    return f"killed {phase}" if phase.endswith("COMMIT") else f"killed while {phase}"


ROWS = [*(f"{how.name} {RANDOMLY}" for how in SIGNALS), *map(_in_words, MOMENTS)]
"""The lines of the table in their order."""


def draw(seed: int, number: int) -> Kill:
    """Kill number N of a seed: always the same."""
    chance = random.Random(f"{seed}/{number}")
    how = list(SIGNALS)[number % 3]
    at_random = chance.random() < RANDOM_SHARE
    phase = RANDOMLY if at_random else list(MOMENTS)[number // 3 % len(MOMENTS)]
    arguments = ("fix", chance.choice((1, 1, 2, 3, 5)), "--workers", chance.choice((1, 2)))
    arguments += ("--order", chance.choice(("newest", "oldest")))
    if phase in MOMENTS:
        arguments = (*SLOWLY[:4], *arguments[4:])
    if chance.random() < 0.2:
        arguments += ("--synchronous-commit", "on")
    skip = chance.randrange(12) if phase in IN_EVERY_CHUNK else 0
    return Kill(how, phase, chance.random(), skip, arguments, chance.random() < 0.5)


def undisturbed(stage: Stage) -> float:
    """The seconds of a run from the moment it listens to signals; it has to be right."""
    with stage.trial() as trial:
        process = trial.start(*SLOWLY)
        wait_for_handlers(process)
        started = time.monotonic()
        assert trial.watch(process).code == 0, trial.seen
        duration = time.monotonic() - started
        assert judge(trial.truth, finished=True) == Verdict()
    return duration


def play(stage: Stage, planned: Kill, duration: float, tampering: str = "") -> tuple[Trial, Verdict]:
    """One kill: what is there just after it and what is there in the end are both judged."""
    with stage.trial(planned, tampering=tampering) as trial:
        if planned.unique_index:
            trial.database.add_unique_index()
        if planned.phase in MOMENTS:
            _in_phase(trial, planned)
        else:
            process = trial.start(*planned.arguments)
            wait_for_handlers(process)
            time.sleep(planned.fraction * duration)
            _hit(trial, process, planned.how)
        trial.sessions_end()
        return trial, judge(trial.truth, finished=False) + trial.finish()


def _in_phase(trial: Trial, planned: Kill) -> None:
    running: list[Process] = []

    def act(piece: bytes) -> bytes | None:
        kill(running[0], planned.how)
        time.sleep(0.05)  # for the signal to be dealt with
        return piece if planned.phase != "copying" else piece[: len(piece) // 2]

    with trial.at(planned.phase, act, skip=planned.skip):
        running.append(trial.start(*planned.arguments))
        _check(trial, planned.how)


def _hit(trial: Trial, process: Process, how: signal.Signals) -> None:
    if process.poll() is None:
        kill(process, how)
    _check(trial, how, process)


def _check(trial: Trial, how: signal.Signals, process: Process | None = None) -> None:
    outcome = trial.watch(process or trial._running[-1])
    assert outcome.code in (SIGNALS[how], 0), f"exit code {outcome.code} after {how.name}: {outcome.stderr}"
    assert one_line(outcome), outcome.stderr
