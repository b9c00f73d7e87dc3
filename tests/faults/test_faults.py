"""A small run of the faults: 25 kills, every fault once, and whether the harness notices when something is lost."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults import cluster, kills, results, rivals, table
from tests.faults.__main__ import main
from tests.faults.catalogue import KINDS, ON_A_CLUSTER, Fault, catalogue, play
from tests.faults.data import BEFORE
from tests.faults.harness import MOMENTS, SLOWLY, Stage, Trial
from tests.faults.judge import Verdict, judge
from tests.support.databases import TABLE

SEED = 25
KILLS = 25
IN_ONE_TEST = 5


@pytest.fixture(scope="session")
def duration(stage: Stage) -> float:
    """The seconds of a run that nothing happens to."""
    return kills.undisturbed(stage)


@pytest.fixture(scope="module")
def finished(stage: Stage) -> Iterator[Trial]:
    """A database in which all is done."""
    with stage.trial() as trial:
        trial.recon(*SLOWLY)
        assert judge(trial.truth, finished=True) == Verdict()
        yield trial


@pytest.mark.parametrize("tried", catalogue(), ids=lambda tried: tried.name)
def test_nothing_is_lost_after(tried: Fault, stage: Stage) -> None:
    if reason := tried.impossible():
        pytest.skip(reason)
    trial, verdict = play(stage, tried, SEED)
    assert verdict == Verdict()
    assert trial.finished_by


@pytest.mark.parametrize("first", range(0, KILLS, IN_ONE_TEST))
def test_nothing_is_lost_by_kills(first: int, stage: Stage, duration: float) -> None:
    for number in range(first, first + IN_ONE_TEST):
        planned = kills.draw(SEED, number)
        _, verdict = kills.play(stage, planned, duration)
        assert verdict == Verdict(), planned


class TestTheKills:
    def test_are_the_same_for_the_same_seed(self) -> None:
        assert [kills.draw(SEED, n) for n in range(50)] == [kills.draw(SEED, n) for n in range(50)]
        assert [kills.draw(SEED, n) for n in range(50)] != [kills.draw(SEED + 1, n) for n in range(50)]

    def test_come_by_every_signal_in_every_phase(self) -> None:
        drawn = {(kill.how, kill.phase) for kill in (kills.draw(SEED, n) for n in range(1000))}
        assert drawn == {(how, phase) for how in kills.SIGNALS for phase in [*MOMENTS, kills.RANDOMLY]}


class TestTheHarness:
    """It is tampered with a part of recon, and has to report what is lost by that."""

    def test_notices_a_ledger_that_is_committed_apart_from_the_rows(self, stage: Stage, duration: float) -> None:
        """It is killed after the COMMIT of the ledger, which is not yet that of the rows."""
        planned = kills.Kill(signal.SIGKILL, "after COMMIT", 0, 4, SLOWLY, unique_index=False)
        _, verdict = kills.play(stage, planned, duration, "separate-ledger")
        assert verdict.ledger
        assert "there are 0 of 0" in verdict.notes[0]

    def test_notices_duplicates_when_nothing_is_verified(self, stage: Stage) -> None:
        with stage.trial(tampering="unverified") as trial:
            rivals.same_keys(trial)
            verdict = judge(trial.truth, finished=True)
        assert verdict.duplicate == len({key for key, _ in trial.truth.others.values()}) - len(BEFORE)
        assert verdict.duplicate > 0

    @pytest.mark.parametrize(
        ("kind", "damage"),
        [
            ("missing", f"delete from {TABLE} where id = (select max(id) from {TABLE})"),
            ("wrong", f"update {TABLE} set bitcoin_mined = bitcoin_mined + 0.00000001 where id = 1999"),
            ("wrong", f"update {TABLE} set farm_id = 'T_NOBODY' where id = 1999"),
            ("touched", f"update {TABLE} set bitcoin_mined = bitcoin_mined where id = 1"),
            ("touched", "update curtailment_records set volume = volume where id = 1"),
            ("touched", "delete from notes_of_others where id = 1"),
            ("ledger", "update recon.run_dates set inserted = inserted - 1 where position = 3"),
            ("ledger", "update recon.runs set status = 'running'"),
            ("ledger", "update recon.run_dates set status = 'pending' where position = 3"),
        ],
    )
    def test_notices(self, finished: Trial, kind: str, damage: str) -> None:
        finished.database.execute("begin")
        finished.database.execute(damage)
        verdict = judge(finished.truth, finished=True)
        finished.database.execute("rollback")
        assert getattr(verdict, kind) == 1, verdict
        assert judge(finished.truth, finished=True) == Verdict()

    def test_notices_a_date_that_is_half_done(self, finished: Trial) -> None:
        finished.database.execute("begin")
        finished.database.execute(f"delete from {TABLE} where id in (select max(id) from {TABLE})")
        assert judge(finished.truth, finished=False).missing == 1
        finished.database.execute("rollback")


class TestTheTable:
    def test_is_made_from_what_the_command_wrote(self, tmp_path: Path) -> None:
        out = tmp_path / "results.csv"
        assert main(["--only", "recon status | head -1", "--seed", "3", "--out", str(out)]) == 0
        facts, (line,) = results.read(out)
        assert (line["kind"], line["runs"], line["exit codes"], line["lost"]) == ("local", "1", "1", "0")
        assert (facts["seed"], list(line)[-1]) == ("3", "lost")
        shown = table.markdown([(facts, [line])]).splitlines()
        assert f"`python -m tests.faults --only recon status | head -1 --seed 3 --out {out}`" in shown[0]
        assert shown[4:] == [
            "| **this machine**<br>a closed stdout: recon status ¦ head -1 | 1 | 1 |  | 0 |",
            "| **all** | **1** |  |  | **0** |",
        ]

    def test_that_is_stored_has_a_row_for_every_fault_and_nothing_lost(self) -> None:
        lines = [line for stored in table.STORED for line in results.read(stored)[1]]
        everything = catalogue((*KINDS, *ON_A_CLUSTER))
        assert {line["fault"] for line in lines} == {*kills.ROWS, cluster.KILLED, *(tried.name for tried in everything)}
        assert sum(int(line["runs"]) for line in lines if line["kind"] == "kills") >= 1000
        assert [int(line["runs"]) >= 100 for line in lines if line["fault"] == cluster.KILLED] == [True]
        assert {line["lost"] for line in lines if not line["note"].startswith("not tried")} == {"0"}
