"""Every fault that is tried: a small function each, with what the user should see of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module

from tests.faults.harness import Stage, Trial, one_line
from tests.faults.judge import Verdict, judge

Play = Callable[[Trial], None]
KINDS = (
    "server",
    "network",
    "limits",
    "rivals",
    "privileges",
    "ledger",
    "local",
    "environments",
    "others_rows",
    "odd_values",
    "odd_tables",
)
"""The modules that hold faults, in the order of the table."""
ON_A_CLUSTER = ("cluster",)
"""And those of faults that need a Dask cluster."""
FAULTS: dict[str, Fault] = {}
RIDDEN_THROUGH = "reconciled"


@dataclass(frozen=True)
class Fault:
    """What happens to recon, and what is expected of it."""

    name: str
    play: Play
    codes: frozenset[int]
    """The exit codes of the contract that are right for the runs that meet it."""
    sees: str
    """A regular expression for the line that the user sees of the first of these runs."""
    durable: bool
    """Whether it needs the server that may be crashed."""
    more_lines: bool
    """Whether what the user needs does not fit into one line."""
    impossible: Callable[[], str]
    """Why it cannot be tried here; empty where it can."""

    @property
    def kind(self) -> str:
        """The module that it stands in."""
        return self.play.__module__.rpartition(".")[2]


def fault(
    name: str,
    *codes: int,
    sees: str = RIDDEN_THROUGH,
    durable: bool = False,
    more_lines: bool = False,
    impossible: Callable[[], str] = lambda: "",
) -> Callable[[Play], Play]:
    """Puts a function into the catalogue. Without codes recon rides through: exit 0."""

    def enter(play: Play) -> Play:
        assert name not in FAULTS
        FAULTS[name] = Fault(name, play, frozenset(codes or {0}), sees, durable, more_lines, impossible)
        return play

    return enter


def catalogue(kinds: Sequence[str] = KINDS) -> list[Fault]:
    """All faults of these kinds, by kind."""
    for kind in kinds:
        import_module(f"tests.faults.{kind}")
    found = [one for one in FAULTS.values() if one.kind in kinds]
    return sorted(found, key=lambda one: kinds.index(one.kind))


def play(stage: Stage, tried: Fault, seed: object = 0) -> tuple[Trial, Verdict]:
    """One fault, what its user sees, the next run, and the verdicts on what was there between and in the end."""
    with stage.trial(f"{seed}/{tried.name}", durable=tried.durable) as trial:
        tried.play(trial)
        assert trial.seen, "no run met the fault"
        for outcome in trial.seen:
            assert outcome.code in tried.codes, f"exit code {outcome.code}: {outcome.stderr or outcome.stdout}"
            assert tried.more_lines or one_line(outcome), outcome.stderr
        assert re.search(tried.sees, trial.seen[0].sees), f"the user saw: {trial.seen[0].stderr}{trial.seen[0].stdout}"
        trial.sessions_end()
        return trial, trial.harm + judge(trial.truth, finished=False) + trial.finish()
