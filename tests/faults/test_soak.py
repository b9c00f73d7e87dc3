"""A short soak, whether it notices what it is for, and the results of the long one."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import pytest

from tests.faults import results, soak
from tests.faults.application import turns
from tests.faults.data import DATES
from tests.faults.harness import Stage, Trial
from tests.support.databases import TABLE, Database

SEED = 3
SECONDS = 4
DAY = DATES[0]
KEY = f"settlement_date = '{DAY}' and settlement_period = 1 and farm_id = 'T_FARM-1'"


@pytest.mark.parametrize("unique_index", [False, True], ids=["without the unique index", "with the unique index"])
def test_nothing_is_lost_while_an_application_is_at_work_on_both_tables(stage: Stage, unique_index: bool) -> None:
    found = soak.soak(stage, SEED, SECONDS, unique_index=unique_index)
    assert found.lost == 0, found.notes
    assert found.operations > 20
    assert {"fix", "daily", "fix --repair wrong"} <= set(found.runs)
    assert found.changes["overwritten"]


def test_the_application_does_the_same_for_the_same_seed() -> None:
    def begun(seed: int, session: int) -> list[object]:
        return list(islice(turns(seed, session, DATES), 500))

    assert begun(SEED, 0) == begun(SEED, 0)
    assert begun(SEED, 0) != begun(SEED, 1)
    assert begun(SEED, 0) != begun(SEED + 1, 0)


class TestTheSoak:
    """Something is done in recon's name, and has to be reported."""

    @pytest.fixture
    def trial(self, stage: Stage) -> Iterator[Trial]:
        with stage.trial() as trial:
            soak.prepare(trial.database, False)
            yield trial

    @pytest.mark.parametrize(
        ("kind", "damage"),
        [
            ("untraced", f"delete from {TABLE} where id = 1"),
            ("untraced", f"update {TABLE} set bitcoin_mined = 7 where id = 1"),
            ("touched", "update curtailment_records set volume = volume where id = 1"),
            ("touched", "delete from curtailment_records where id = 1"),
        ],
    )
    def test_notices(self, trial: Trial, kind: str, damage: str) -> None:
        in_recons_name(trial.rival(), damage)
        found = soak.Soak(False)
        soak.conclude(trial, found)
        assert (getattr(found, kind), found.lost) == (1, 1), found.notes

    def test_notices_that_a_row_of_the_quarantine_was_never_taken(self, trial: Trial) -> None:
        soak.conclude(trial, soak.Soak(False))
        trial.database.execute(
            "insert into recon.quarantine (run_id, reason, table_name, whole_row, action)"
            " select run_id, reason, table_name, whole_row, action from recon.quarantine limit 1"
        )
        found = soak.Soak(False)
        soak.conclude(trial, found)
        assert found.untraced == 1

    @pytest.mark.parametrize(
        ("damage", "off"),
        [
            (f"delete from {TABLE} where id = (select max(id) from {TABLE})", {"missing": 1}),
            (f"update {TABLE} set bitcoin_mined = bitcoin_mined + 0.00000001 where id = 1", {"wrong": 1}),
            (f"update {TABLE} set farm_id = 'T_NOBODY' where id = 1", {"missing": 1, "duplicate": 1}),
            (
                f"delete from curtailment_records where {KEY}",
                {"duplicate": 3},
            ),
        ],
    )
    def test_knows_what_is_off_in_the_end(self, trial: Trial, damage: str, off: dict[str, int]) -> None:
        found = soak.Soak(False)
        soak.conclude(trial, found)
        assert found.lost == 0, found.notes
        trial.database.execute(damage)
        assert +soak.differences(trial.database) == off

    def test_notices_a_reconciled_that_is_not_so(self, trial: Trial) -> None:
        said = {"window": {"first": str(DAY), "last": None}, "values_compared": False}
        found, snapshot = soak.Soak(False), trial.database.scalar("select pg_current_snapshot()::text")
        soak.check_truth(trial.rival(), found, said, snapshot, "fix")
        assert (found.said, found.untrue) == (1, 1)

    @pytest.mark.parametrize(
        ("who", "day", "blamed"),
        [
            ("the application", DAY, 0),
            ("recon/quarantine/abcdef01", DAY, 0),
            ("recon/fix/abcdef01", DAY, 1),
            ("the application", DATES[1], 1),
        ],
    )
    def test_leaves_alone_what_somebody_made_otherwise_meanwhile(
        self, trial: Trial, who: str, day: object, blamed: int
    ) -> None:
        said = {"window": {"first": str(DAY), "last": str(DAY)}, "values_compared": False}
        found, snapshot = soak.Soak(False), trial.database.scalar("select pg_current_snapshot()::text")
        changed = f"update curtailment_records set volume = volume where settlement_date = '{day}'"
        in_recons_name(trial.rival(), changed, who)
        soak.check_truth(trial.rival(), found, said, snapshot, "fix")
        assert (found.said, found.untrue) == (blamed, blamed)

    def test_notices_numbers_that_are_not_those_of_the_log(self, trial: Trial) -> None:
        document = {"run_id": "abcdef01", "inserted": 0, "replaced": 0, "removed": 0}
        in_recons_name(trial.rival(), f"delete from {TABLE} where id in (1, 2)")
        for removed, broken in ((2, 0), (1, 1)):
            found = soak.Soak(False)
            soak.check_numbers(trial.database, found, document | {"removed": removed}, "fix")
            assert found.broken == broken


def in_recons_name(database: Database, statement: str, who: str = "recon/fix/abcdef01") -> None:
    """A statement of a session that calls itself so."""
    database.execute(f"set application_name = '{who}'")
    database.execute(statement)


def test_the_stored_soak_took_two_minutes_each_way_and_nothing_was_lost() -> None:
    facts, lines = results.read(soak.STORED)
    assert facts["command"].startswith("python -m tests.faults.soak")
    assert {line["unique index"] for line in lines} == {"no", "yes"}
    for line in lines:
        assert int(line["seconds"]) >= 120
        assert all(int(line[lane.name]) >= 10 for lane in soak.LANES)
        assert int(line["reconciled said of quiet dates"]) >= 10
        assert {line[name] for name in (*soak.WRONG, "lost")} == {"0"}
