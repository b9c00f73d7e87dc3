"""The numbers in the README and beside what measures are those of the stored results, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import results as benchmark_results
from benchmarks import stages, workers
from benchmarks import table as benchmark_table
from tests.faults import results as fault_results
from tests.faults import table as fault_table
from tests.support.parsing import options_in
from tests.support.readme import MEASURED, README, with_table

ROOT = Path(__file__).parents[2]
SPEED, FAULTS = MEASURED


def has_table(document: Path, name: str, table: str) -> bool:
    text = document.read_text(encoding="utf-8")
    return with_table(text, name, table) == text


def test_the_benchmark_table_is_that_of_the_results_file() -> None:
    lines = benchmark_results.read(ROOT / "benchmarks" / "results.csv")
    assert {line["case"] for line in lines} >= {"backfill", "late day", "holes", "nothing to do", "status", "values"}
    assert has_table(SPEED, "benchmarks", benchmark_table.markdown(lines))
    assert has_table(README, "speed", benchmark_table.short(lines))


def test_cases_that_an_older_commit_has_are_said_to_be_its() -> None:
    lines = benchmark_results.read(ROOT / "benchmarks" / "results.csv")
    mine = [line | {"commit": "a" * 10} for line in lines if line["scale"] == "1"]
    older = [line | {"commit": "b" * 10} for line in lines if benchmark_table.case_name(line) == "backfill 10x"]
    told = benchmark_table.markdown([*mine, *older]).splitlines()[0]
    assert told.startswith("Commit aaaaaaaaaa, ")
    assert f"backfill 10x: commit bbbbbbbbbb, {older[0]['cores']} cores" in told


def test_the_table_of_another_server_is_that_of_its_results_file() -> None:
    lines = benchmark_results.read(ROOT / "benchmarks" / "results-debian.csv")
    assert {line["contender"] for line in lines} >= {"recon", "SQL statement"}
    assert "postgresql 15" in lines[0]["versions"]
    assert has_table(SPEED, "benchmarks-debian", benchmark_table.markdown(lines))


def test_the_table_of_faults_is_that_of_the_results_files() -> None:
    stored = [fault_results.read(path) for path in fault_table.STORED]
    assert has_table(FAULTS, "faults", fault_table.markdown(stored))
    assert has_table(README, "survives", fault_table.short(stored))


def test_the_options_that_are_told_of_beside_the_benchmarks_are_there() -> None:
    program = "".join(path.read_text(encoding="utf-8") for path in SPEED.parent.glob("*.py"))
    told = options_in(SPEED.read_text(encoding="utf-8"))
    assert told == {option for option in told if f'"{option}"' in program} != set()


def test_every_kind_of_fault_is_in_one_sum() -> None:
    kinds = [kind for several in fault_table.SUMS.values() for kind in several]
    assert sorted(kinds) == sorted(fault_table.TITLES)


def test_the_table_of_workers_is_that_of_its_results_file_and_the_benchmarks() -> None:
    stored = benchmark_results.read(ROOT / "benchmarks" / "workers.csv")
    assert {(line["way"], line["workers"]) for line in stored} >= {("threads", "2"), ("cluster", "2")}
    table = workers.markdown(stored, benchmark_results.read(ROOT / "benchmarks" / "results.csv"))
    assert has_table(SPEED, "workers", table)


def test_the_table_of_stages_is_that_of_its_results_file() -> None:
    stored = benchmark_results.read(ROOT / "benchmarks" / "stages.csv")
    assert {line["case"] for line in stored} == set(stages.WHICH)
    for line in stored:
        inside = sum(float(line[column]) for column in stages.SECONDS.values())
        assert 0 < inside < 2 * float(line["engine_s"]) < 2 * float(line["seconds"])  # of two threads
    assert has_table(SPEED, stages.NAME, stages.markdown(stored))


@pytest.mark.parametrize(
    "text", ["no markers", "<!-- /faults --><!-- faults -->", "<!-- faults -->" * 2 + "<!-- /faults -->"]
)
def test_a_table_goes_between_its_markers_or_nowhere(text: str) -> None:
    with pytest.raises(ValueError, match="there has to be one <!-- faults --> and after it one"):
        with_table(text, "faults", "a table")
