"""`recon demo` from nothing, again, and started over; then the commands it recommends."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from tests.support.following import follow, suggested
from tests.support.program import Run


@pytest.mark.timeout(300)
def test_the_demo_does_the_whole_job_twice_and_can_start_over(run_recon: Run) -> None:
    first = run_recon("demo")
    assert first.returncode == 0, first.stderr
    assert "the sample was loaded" in first.stdout
    for line in (
        "not reconciled: 26,220 missing, 189 duplicate, 84 orphan",
        "not reconciled: 0 missing, 189 duplicate, 84 orphan",
        "273 rows removed and verified on",
        "reconciled: 75,462 of 75,462, nothing twice, nothing extra",
    ):
        assert line in first.stdout
    assert re.search(r"run \w{8}: 26,220 rows written and verified on 37 dates", first.stdout)
    assert first.stdout.index("\n2024-04-20 ") < first.stdout.index("\n2024-11-02 "), "the worst date comes first"

    codes = {
        command: run_recon(*shlex.split(command)).returncode
        for command in re.findall(r"^  recon (-d embedded .*?)(?:   |$)", first.stdout, re.MULTILINE)
    }
    assert len(codes) == 3
    assert {command: code for command, code in codes.items() if code} == {}
    program, *then = suggested(first)
    assert follow(run_recon, *then) == [
        "-d embedded status --values",
        "-d embedded fix --repair wrong --dry-run",
        "-d embedded fix --repair wrong --yes",
    ]
    assert program == "recon"

    night = run_recon("-d", "embedded", "daily")
    assert night.returncode == 1, "its data are of the past"
    ((since, then),) = re.findall(r"^no_curtailment: none since (\S+), .*'recon (.*?)'$", night.stdout, re.MULTILINE)
    assert then == f"-d embedded daily --today {since}"
    assert run_recon(*then.split()).returncode == 0

    again = run_recon("demo")
    assert again.returncode == 0
    assert "the sample is there from last time" in again.stdout
    assert again.stdout.count("nothing to do: no row is missing") == 2, "nothing to fill, nothing to take out"

    anew = run_recon("demo", "--reset")
    assert anew.returncode == 0
    assert "26,220 rows written and verified" in anew.stdout


def test_the_demo_says_where_its_data_live(run_recon: Run) -> None:
    done = run_recon("demo", "-q")
    (where,) = re.findall(r"its data live in (.*)", done.stdout)
    assert (Path(where) / "server").is_dir()
    assert done.stderr == ""


def test_the_demo_has_no_json(run_recon: Run) -> None:
    done = run_recon("demo", "--json")
    assert done.returncode == 2
    assert "recon -d embedded fix --json" in done.stdout
