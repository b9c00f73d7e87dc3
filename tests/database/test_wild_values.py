"""Values that no float and no Decimal holds, and periods that no day has: one bad row is its own trouble only."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support import oracle
from tests.support.databases import TABLE, Database
from tests.support.program import Run

DAY = date(2024, 4, 20)
NEXT = DAY + timedelta(days=1)
GOOD = [(DAY, 1, "T_A-1", "-5"), (NEXT, 1, "T_A-1", "-7.25")]


def document(done: Any, code: int = 0) -> dict[str, Any]:
    assert done.returncode == code, done.stdout + done.stderr
    assert max(map(len, done.stderr.splitlines()), default=0) < 400
    return dict(json.loads(done.stdout))


@pytest.fixture
def priced(database: Database, run_recon: Run) -> Database:
    database.add_curtailment(*GOOD)
    document(run_recon("fix", "--json", url=database.url))
    return database


class TestTheSource:
    @pytest.mark.parametrize("volume", ["1e34", "-1e400", "1000000000001", "NaN"])
    def test_a_volume_beyond_all_measure_is_no_energy(self, database: Database, run_recon: Run, volume: str) -> None:
        database.add_curtailment(*GOOD, (DAY, 1, "T_WILD-1", volume), (NEXT, 1, "T_A-1", volume))
        done = run_recon("fix", "--json", url=database.url)
        assert document(done)["inserted"] == 6
        assert "2 source rows cannot be priced" in done.stderr
        assert oracle.stored(database) == oracle.calculations(GOOD)
        for options in ([], ["--deep"], ["--values"]):
            found = document(run_recon("status", *options, "--json", url=database.url))
            assert (found["invalid"], found["keys"]) == (2, 2)
        for command in ("analyze", "verify"):
            document(run_recon(command, "--json", url=database.url))
        explained = document(run_recon("explain", DAY, 1, "T_WILD-1", "--json", url=database.url), 1)
        assert [row["counts"] for row in explained["source_rows"]] == [False]
        assert max(map(len, run_recon("explain", DAY, 1, "T_WILD-1", url=database.url).stdout.splitlines())) < 200

    def test_the_largest_and_the_smallest_that_are_energy_are_priced(self, database: Database, run_recon: Run) -> None:
        rows = [(DAY, 1, "T_A-1", "1000000000000"), (DAY, 2, "T_A-1", "1e-400"), (DAY, 3, "T_A-1", "-5")]
        database.add_curtailment(*rows)
        assert document(run_recon("fix", "--json", url=database.url))["inserted"] == 9
        assert database.count(TABLE, "settlement_period = 2 and bitcoin_mined = 0") == 3
        assert document(run_recon("status", "--values", "--json", url=database.url))["reconciled"] is True

    def test_a_volume_in_a_float_column_is_measured_alike(self, database: Database, run_recon: Run) -> None:
        database.execute("alter table curtailment_records alter volume type float8")
        database.add_curtailment(*GOOD, (DAY, 1, "T_WILD-1", "1e300"), (DAY, 2, "T_WILD-1", "1e-300"))
        assert document(run_recon("fix", "--json", url=database.url))["inserted"] == 9
        assert document(run_recon("status", "--json", url=database.url))["invalid"] == 1

    def test_what_a_column_cannot_hold_is_named_with_its_key_and_fails_its_date_only(
        self, database: Database, run_recon: Run
    ) -> None:
        database.execute(f"alter table {TABLE} alter bitcoin_mined type numeric(10,8)")
        database.add_curtailment(*GOOD, (NEXT, 2, "T_BIG-1", "-5000000"))
        found = document(run_recon("fix", "--json", url=database.url), 4)
        (failed,) = [entry for entry in found["dates"] if entry["status"] == "failed"]
        assert (failed["date"], failed["attempts"]) == (str(NEXT), 1)
        assert f"{NEXT} 2 T_BIG-1" in failed["error"]
        assert "numeric(10,8)" in failed["error"]
        assert database.count(TABLE) == 3


WILD = [
    *(("bitcoin_mined", value) for value in ("1e400", "-Infinity", "1e-400")),
    *(("difficulty", value) for value in ("-1e400", "NaN")),
]


class TestStoredValues:
    @pytest.mark.parametrize(("column", "value"), WILD)
    def test_whatever_is_stored_is_found_and_made_good(
        self, priced: Database, run_recon: Run, tmp_path: Path, column: str, value: str
    ) -> None:
        right = oracle.stored(priced)
        priced.execute(
            f"update {TABLE} set {column} = '{value}' where settlement_date = '{DAY}' and miner_model = 'S9'"
        )
        found = document(run_recon("status", "--values", "--json", url=priced.url), 1)
        assert found["values"]["wrong"] == 1
        for command in (["explain", DAY, 1, "T_A-1"], ["export", "--out", tmp_path / "out"], ["analyze", "--values"]):
            assert document(run_recon(*command, "--json", url=priced.url), 1)
        assert document(run_recon("verify", "--json", url=priced.url))["dates"]
        document(run_recon("fix", "--repair", "wrong", "--yes", "--max-changes", 3, "--json", url=priced.url))
        assert oracle.stored(priced) == right


class TestImpossiblePeriods:
    @pytest.fixture
    def astray(self, priced: Database) -> Database:
        priced.add_curtailment((DAY, 51, "T_A-1", "-5"))
        priced.add_calculations((DAY, 51, "T_A-1", "S9", "0.1", "1"))
        return priced

    def test_a_stored_row_is_an_orphan_wherever_it_is_counted(self, astray: Database, run_recon: Run) -> None:
        for options in ([], ["--deep"], ["--values"]):
            found = document(run_recon("status", *options, "--json", url=astray.url), 1)
            assert (found["orphan"], found["missing"], found["invalid"]) == (1, 0, 1)

    def test_it_is_explained(self, astray: Database, run_recon: Run) -> None:
        found = document(run_recon("explain", DAY, 51, "T_A-1", "--json", url=astray.url), 1)
        assert found["impossible"] == f"{DAY} has settlement periods 1 to 48 only"
        assert (found["orphan_models"], found["agrees"]) == (["S9"], False)
        shown = run_recon("explain", DAY, 51, "T_A-1", url=astray.url)
        assert shown.returncode == 1
        assert f"{DAY} has settlement periods 1 to 48 only" in shown.stdout
        assert "--repair orphan" in shown.stdout

    def test_and_removed(self, astray: Database, run_recon: Run) -> None:
        found = document(run_recon("fix", "--repair", "orphan", "--yes", "--max-changes", 5, "--json", url=astray.url))
        assert found["reconciled"] is True
        assert astray.count(TABLE, "settlement_period = 51") == 0
        assert document(run_recon("status", "--values", "--json", url=astray.url))["orphan"] == 0

    @pytest.mark.parametrize("period", [51, 0, -1, 2**40])
    def test_where_nothing_stands_it_is_refused_as_ever(self, priced: Database, run_recon: Run, period: int) -> None:
        done = run_recon("explain", "--", DAY, period, "T_A-1", url=priced.url)
        (line,) = done.stderr.splitlines()
        assert (done.returncode, f"has no settlement period {period}" in line) == (2, True)
