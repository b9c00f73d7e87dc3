"""Difficulty with holes, on a real server: the dates in them are blocked, the others are done."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path

import pytest

from recon.core.suggestions import UPDATE_DIFFICULTY
from tests.support import oracle
from tests.support.builders import fill, source_rows
from tests.support.databases import Database
from tests.support.program import Run, document

KNOWN = 124932866006548
"""In force from 2026-06-14, known through 2026-06-24."""
LATER = [[1787972400, 963648, 130000000000000, 1.02], [1789167600, 965664, 132600000000000, 1.02]]
"""Epochs from 2026-08-29 03:00 and from 2026-09-11 23:00, as the public list of three months has them."""
TOLD = {
    date(2026, 6, 24): KNOWN,
    date(2026, 6, 25): None,
    date(2026, 8, 28): None,
    date(2026, 8, 29): None,
    date(2026, 8, 30): 130000000000000,
    date(2026, 9, 11): 130000000000000,
    date(2026, 9, 12): 132600000000000,
}
"""What is in force at 00:00 UTC, as far as anybody told: counted by hand."""


def stored(database: Database) -> dict[date, int]:
    """The difficulty of each date that has rows."""
    return {
        day: int(difficulty)
        for day, difficulty in database.rows(
            "select distinct settlement_date, difficulty from historical_bitcoin_calculations"
        )
    }


@pytest.fixture
def holed(database: Database, run_recon: Run, tmp_path: Path) -> Database:
    """Seven dates, of which four have a difficulty."""
    fill(database, source_rows(list(TOLD), farms=1, periods=(1,)))
    (tmp_path / "months.json").write_text(json.dumps(LATER))
    check = run_recon("difficulty", "check", tmp_path / "months.json")
    assert "no difficulty is known for 66 dates, 2026-06-25 to 2026-08-29" in check.stdout
    update = run_recon("difficulty", "update", "--from", tmp_path / "months.json")
    assert (update.returncode, f"run '{UPDATE_DIFFICULTY}'" in update.stdout) == (0, True)
    return database


def test_dates_in_a_hole_are_blocked_and_the_others_have_their_difficulty(holed: Database, run_recon: Run) -> None:
    found = document(run_recon("fix", "--json", url=holed.url), 4)
    assert {entry["date"]: entry["status"] for entry in found["dates"]} == {
        str(day): "blocked" if told is None else "done" for day, told in TOLD.items()
    }
    blocked = [entry for entry in found["dates"] if entry["status"] == "blocked"]
    assert all(str(UPDATE_DIFFICULTY) in entry["error"] for entry in blocked)
    assert stored(holed) == {day: told for day, told in TOLD.items() if told}
    assert found["reconciled"] is False


def test_every_command_speaks_of_the_hole(holed: Database, run_recon: Run) -> None:
    run_recon("fix", url=holed.url)
    assert run_recon("explain", "2026-08-28", 1, "T_FARM-0", url=holed.url).returncode == 4
    values = document(run_recon("status", "--values", "--json", url=holed.url), 1)
    assert values["reconciled"] is False
    advice = document(run_recon("analyze", "--json", url=holed.url), 1)["recommendations"]
    assert any(entry["command"] == str(UPDATE_DIFFICULTY) and "3 dates" in entry["why"] for entry in advice)
    night = document(run_recon("daily", "--today", "2026-08-28", "--days", 1, "--json", url=holed.url), 4)
    assert night["difficulty_coverage_days"] == (date(2026, 6, 24) - date(2026, 8, 28)).days
    assert "known through 2026-06-24 only, 65 days before 2026-08-28" in night["warnings"][0]
    fine = document(run_recon("daily", "--today", "2026-08-30", "--days", 1, "--json", url=holed.url), 0)
    assert (fine["difficulty_coverage_days"], fine["warnings"]) == (22, [])


def test_rows_that_were_priced_in_a_hole_are_not_called_right(holed: Database, run_recon: Run) -> None:
    """As an earlier version wrote them, with the difficulty of before the hole."""
    run_recon("fix", url=holed.url)
    holed.add_calculations(
        *((date(2026, 6, 25), 1, farm, model, "0.1", KNOWN) for farm in ("T_FARM-0",) for model in oracle.MINERS)
    )
    done = run_recon("status", "--values", "--json", "--from", "2026-06-25", "--to", "2026-06-25", url=holed.url)
    found = json.loads(done.stdout)
    assert (found["values"]["verdicts"], found["values_compared"]) == ({"blocked": 3}, False)


@pytest.mark.parametrize("left_out", [date(2024, 4, 19), date(2024, 4, 20)])
def test_a_day_that_a_daily_file_leaves_out_is_blocked(
    database: Database, run_recon: Run, tmp_path: Path, left_out: date
) -> None:
    days = [date(2024, 4, 18) + timedelta(days=n) for n in range(5)]
    fill(database, source_rows(days, farms=1, periods=(1,)))
    lines = [f"{day},86388558925171" for day in days[:4] if day != left_out]
    (tmp_path / "d.csv").write_text("\n".join(["date,difficulty", *lines]))
    found = document(run_recon("fix", "--difficulty", tmp_path / "d.csv", "--json", url=database.url), 4)
    blocked = {entry["date"] for entry in found["dates"] if entry["status"] == "blocked"}
    assert blocked == {str(left_out), str(days[4])}
    assert stored(database) == {day: 86388558925171 for day in days[:4] if day != left_out}


def test_dates_without_a_time_of_day_leave_right_rows_alone(database: Database, run_recon: Run, tmp_path: Path) -> None:
    """Retarget days have the difficulty of their 00:00, whatever a list of dates says of the rest of the day."""
    days = [date(2024, 3, 28), date(2024, 4, 10), date(2024, 4, 24), date(2024, 4, 25)]
    fill(database, source_rows(days, farms=2, periods=(1, 2)))
    document(run_recon("fix", "--json", url=database.url), 0)
    before = database.rows("select * from historical_bitcoin_calculations order by id")
    lines = "2024-03-28,83126997340025\n2024-04-10,86388558925171\n2024-04-24,88104191118793\n"
    (tmp_path / "d.csv").write_text("date,difficulty\n" + lines)
    assert "0 epochs added;" in run_recon("difficulty", "update", "--from", tmp_path / "d.csv").stdout
    document(run_recon("fix", "--repair", "wrong", "--yes", "--json", url=database.url), 0)
    assert database.rows("select * from historical_bitcoin_calculations order by id") == before
    assert stored(database) == {day: int(oracle.difficulty(day)) for day in days}
