"""The numbers in the README are those of the stored results, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import results as benchmark_results
from benchmarks import table as benchmark_table
from benchmarks import workers
from tests.faults import results as fault_results
from tests.faults import table as fault_table
from tests.support.readme import with_table

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_benchmark_table_is_that_of_the_results_file() -> None:
    lines = benchmark_results.read(ROOT / "benchmarks" / "results.csv")
    assert {line["case"] for line in lines} >= {"backfill", "late day", "holes", "nothing to do", "status", "values"}
    assert with_table(README, "benchmarks", benchmark_table.markdown(lines)) == README


def test_the_table_of_faults_is_that_of_the_results_files() -> None:
    stored = [fault_results.read(path) for path in fault_table.STORED]
    assert with_table(README, "faults", fault_table.markdown(stored)) == README


def test_the_table_of_workers_is_that_of_its_results_file_and_the_benchmarks() -> None:
    stored = benchmark_results.read(ROOT / "benchmarks" / "workers.csv")
    assert {(line["way"], line["workers"]) for line in stored} >= {("threads", "2"), ("cluster", "2")}
    table = workers.markdown(stored, benchmark_results.read(ROOT / "benchmarks" / "results.csv"))
    assert with_table(README, "workers", table) == README


@pytest.mark.parametrize(
    "text", ["no markers", "<!-- /faults --><!-- faults -->", "<!-- faults -->" * 2 + "<!-- /faults -->"]
)
def test_a_table_goes_between_its_markers_or_nowhere(text: str) -> None:
    with pytest.raises(ValueError, match="there has to be one <!-- faults --> and after it one"):
        with_table(text, "faults", "a table")
