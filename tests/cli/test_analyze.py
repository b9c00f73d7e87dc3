"""`recon analyze` through the program: what it prints, what it leaves out, and that its advice works."""

from __future__ import annotations

import json
import shlex
from datetime import date, timedelta

import pytest

from tests.support.databases import Database
from tests.support.program import Run

FIRST = date(2024, 4, 15)


def curtail(database: Database, days: int, farms: int = 3, periods: int = 4) -> None:
    database.add_curtailment(
        *(
            (FIRST + timedelta(days=d), p, f"T_FARM-{f}", -(1 + d + p / 10 + f / 100))
            for d in range(days)
            for p in range(1, periods + 1)
            for f in range(1, farms + 1)
        )
    )


def twelve_findings(database: Database) -> None:
    """Tables with more kinds of findings than a terminal shows."""
    curtail(database, days=30)
    held = "select settlement_date, settlement_period, farm_id, model, 1, 1 from curtailment_records, unnest(array["
    database.execute(
        "insert into historical_bitcoin_calculations "
        "(settlement_date, settlement_period, farm_id, miner_model, bitcoin_mined, difficulty) "
        f"{held}'S19J_PRO', 'S9', 'M20S', 'M20S', 'T17']) model where settlement_date < '2024-05-06'"
    )
    for lost in (
        "settlement_date = '2024-04-16' and miner_model = 'S9'",
        "settlement_date = '2024-04-17' and farm_id = 'T_FARM-1'",
        "settlement_date = '2024-04-18' and farm_id <> 'T_FARM-3'",
        "settlement_date = '2024-04-19' and settlement_period = 3",
        "settlement_date = '2024-04-20' and settlement_period = 3 and farm_id = 'T_FARM-2'",
    ):
        database.execute(f"delete from historical_bitcoin_calculations where {lost}")
    database.add_calculations(("2024-04-21", 9, "GHOST", "S9", 1, 1))
    database.add_curtailment(
        ("2024-05-10", 1, "T_FARM-1", 7), ("2024-05-10", 60, "T_FARM-1", -7), ("2024-05-11", 9, "T_FARM-9", -4000)
    )


def analyze(run_recon: Run, database: Database, *options: object) -> dict:
    done = run_recon("analyze", "--json", *options, url=database.url)
    assert done.returncode in (0, 1), done.stderr
    document = json.loads(done.stdout)
    assert done.returncode == (0 if document["reconciled"] else 1)
    return document


def test_json_holds_every_finding_date_month_and_recommendation(run_recon: Run, database: Database) -> None:
    twelve_findings(database)
    document = analyze(run_recon, database)
    found = {finding["code"]: finding for finding in document["findings"]}
    assert set(found) == {
        "empty_dates",
        "missing_models",
        "missing_farms",
        "few_farms",
        "missing_periods",
        "scattered_gaps",
        "clustered_by_month",
        "duplicates",
        "orphans",
        "unknown_models",
        "no_unique_index",
        "positive_volumes",
        "mixed_signs",
        "impossible_periods",
        "outsize_energy",
    }
    assert all(
        list(finding) == ["code", "severity", "count", "example", "advice", "dates"] for finding in document["findings"]
    )
    severities = [finding["severity"] for finding in document["findings"]]
    assert severities == sorted(severities, key=["error", "warning", "info"].index)
    assert found["duplicates"]["count"] == document["duplicate"] and len(found["duplicates"]["dates"]) == 21
    assert found["orphans"]["count"] + found["unknown_models"]["count"] == document["orphan"]
    assert len(document["worst_dates"]) == 30
    assert {month["month"] for month in document["months"]} == {"2024-04", "2024-05"}
    command = "recon fix --repair missing,duplicate,orphan --dry-run"
    assert [entry["command"] for entry in document["recommendations"]] == [command, "recon init --unique-index"]


def test_the_terminal_shows_ten_findings_and_says_how_many_more(run_recon: Run, database: Database) -> None:
    twelve_findings(database)
    done = run_recon("analyze", url=database.url)
    assert done.returncode == 1
    assert sum(line.startswith(("error:", "warning:", "info:")) for line in done.stdout.splitlines()) == 10
    assert "... and 5 more findings (--json shows all)" in done.stdout
    assert "to do, in this order:" in done.stdout


def test_tables_that_agree_have_nothing_to_do(run_recon: Run, database: Database) -> None:
    curtail(database, days=3)
    database.add_unique_index()
    assert run_recon("fix", url=database.url).returncode == 0
    done = run_recon("analyze", url=database.url)
    assert done.returncode == 0
    assert "to do" not in done.stdout and "error:" not in done.stdout


@pytest.mark.parametrize("megawatts", ["-5", "nan", "many"])
def test_a_limit_that_cannot_be_is_refused_before_any_connection(run_recon: Run, megawatts: str) -> None:
    done = run_recon("analyze", "--max-farm-mw", megawatts, url="postgresql://nobody@127.0.0.1:1/nowhere")
    assert done.returncode == 2 and "--max-farm-mw" in done.stderr


def test_the_limit_of_a_farm_is_an_option(run_recon: Run, database: Database) -> None:
    curtail(database, days=1)
    database.add_curtailment((FIRST, 20, "T_FARM-1", -700))
    codes = [
        [finding["code"] for finding in analyze(run_recon, database, *option)["findings"]]
        for option in ((), ("--max-farm-mw", 1000))
    ]
    assert ["outsize_energy" in found for found in codes] == [False, True]


def test_doing_what_is_recommended_leaves_nothing_to_recommend(run_recon: Run, database: Database) -> None:
    curtail(database, days=8)
    assert run_recon("fix", url=database.url).returncode == 0
    columns = "settlement_date, settlement_period, farm_id, miner_model, bitcoin_mined, difficulty"
    ghosts = columns.replace("farm_id", "'GHOST'")
    copied = (
        f"select {columns} from historical_bitcoin_calculations where settlement_date = '2024-04-16' union all "
        f"select {ghosts} from historical_bitcoin_calculations "
        "where settlement_date = '2024-04-17'"
    )
    for statement in (
        "delete from historical_bitcoin_calculations where settlement_date = '2024-04-18' and miner_model = 'S9'",
        "delete from historical_bitcoin_calculations where settlement_date = '2024-04-20' and farm_id = 'T_FARM-2'",
        f"insert into historical_bitcoin_calculations ({columns}) {copied}",
        "update historical_bitcoin_calculations set bitcoin_mined = 0 where settlement_date = '2024-04-19'",
    ):
        database.execute(statement)
    advice = [entry["command"] for entry in analyze(run_recon, database, "--values")["recommendations"]]
    assert len(advice) == 2
    for command in advice:
        program, *arguments = shlex.split(command)
        assert program == "recon"
        shown = run_recon(*arguments, url=database.url)
        assert shown.returncode in (0, 1), f"{command}: {shown.stderr}"
        if "--dry-run" in arguments:
            arguments = [argument for argument in arguments if argument != "--dry-run"]
            done = run_recon(*arguments, "--yes", "--max-changes", "100%", url=database.url)
            assert done.returncode in (0, 1), f"{command}: {done.stderr}"
    after = analyze(run_recon, database, "--values")
    assert after["reconciled"] and after["findings"] == [] and after["recommendations"] == []
