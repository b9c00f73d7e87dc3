"""What every `--json` document holds, field by field, with its meaning; worked out by hand on four small dates."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal

import pytest

from tests.support import oracle
from tests.support.builders import DAY, MODELS, days
from tests.support.databases import TABLE, Database
from tests.support.program import Run, document

ONE, TWO, THREE, FOUR = days(DAY, 4)


@pytest.fixture
def four_dates(database: Database) -> Database:
    """Complete; partial with duplicates; empty; orphans only. And an invalid row, on the complete date."""
    rows = [
        (ONE, 1, "T_A-1", "-5"),
        (ONE, 1, "T_A-1", "-2.5"),
        (ONE, 49, "T_A-1", "-1"),
        (TWO, 1, "T_A-1", "-4"),
        (TWO, 2, "T_A-1", "-4"),
        (THREE, 1, "T_A-1", "-3"),
        (THREE, 1, "T_B-1", "0"),
    ]
    database.add_curtailment(*rows)
    right = oracle.calculations(rows)
    database.add_calculations(*(row for row in right if row[0] == ONE))
    partial = [row for row in right if row[0] == TWO and row[1] == 1]
    database.add_calculations(*partial, *partial[:2], partial[0])
    database.add_calculations((FOUR, 1, "T_A-1", "S9", "0.5", "1"), (TWO, 2, "T_A-1", "T17", "0.5", "1"))
    return database


STATUS = {
    "schema_version": 1,
    "command": "status",
    "window": {"first": "2024-04-20", "last": "2024-04-23"},
    "newest_curtailment": "2024-04-22",
    "curtailment_rows": 7,
    "invalid": 1,
    "keys": 5,
    "miner_models": ["S19J_PRO", "S9", "M20S"],
    "expected": 15,
    "matched": 6,
    "missing": 9,
    "duplicate": 3,
    "orphan": 2,
    "by_model": {model: {"expected": 5, "matched": 2, "missing": 3} for model in MODELS},
    "percent": 40.0,
    "dates": {"total": 3, "complete": 1, "partial": 1, "empty": 1},
    "undated": {"source": 0, "stored": 0},
    "next": ["recon", "fix", "--repair", "missing,duplicate,orphan", "--dry-run"],
    "reconciled": False,
    "values_compared": False,
}


def test_status(four_dates: Database, run_recon: Run) -> None:
    assert document(run_recon("status", "--json", url=four_dates.url), 1) == STATUS
    window = document(run_recon("status", "--json", "--to", ONE, url=four_dates.url))
    assert window["window"] == {"first": "2024-04-20", "last": "2024-04-20"}
    assert (window["expected"], window["percent"], window["reconciled"]) == (3, 100.0, True)


def test_analyze(four_dates: Database, run_recon: Run) -> None:
    found = document(run_recon("analyze", "--json", url=four_dates.url), 1)
    assert {name: found[name] for name in STATUS} == STATUS | {"command": "analyze"}
    names = ("date", "expected", "matched", "missing", "duplicate", "orphan", "percent")
    assert found["worst_dates"] == [
        dict(zip(names, row, strict=True))
        for row in (
            ("2024-04-22", 6, 0, 6, 0, 0, 0.0),
            ("2024-04-21", 6, 3, 3, 3, 1, 50.0),
            ("2024-04-23", 0, 0, 0, 0, 1, 100.0),
        )
    ]
    assert found["months"] == [{"month": "2024-04", "dates": 3, "missing": 9}]
    assert all(set(finding) >= {"code", "severity", "count", "example", "advice"} for finding in found["findings"])
    assert all(set(advice) == {"command", "why"} for advice in found["recommendations"])
    assert found["recommendations"][0]["command"].startswith("recon ")


def test_the_commands_that_analyze_recommends_can_be_run(four_dates: Database, run_recon: Run) -> None:
    found = document(run_recon("analyze", "--json", url=four_dates.url), 1)
    for advice in found["recommendations"]:
        program, *arguments = advice["command"].split()
        assert program == "recon"
        assert run_recon(arguments[0], "--help").returncode == 0


FIX = {
    "schema_version",
    "command",
    "run_id",
    "window",
    "planned",
    "dates",
    "inserted",
    "btc",
    "remaining",
    "seconds",
    "reconciled",
}
DATE = {"date", "status", "missing", "inserted", "attempts", "seconds", "error"}


def test_fix(four_dates: Database, run_recon: Run) -> None:
    found = document(run_recon("fix", "--json", url=four_dates.url), 1)
    assert set(found) >= FIX
    assert re.fullmatch(r"[0-9a-f]{8}", found["run_id"])
    assert found["planned"] == {"dates": 2, "rows": 9}
    for entry, missing in zip(found["dates"], (3, 6), strict=True):
        assert set(entry) >= DATE
        assert (entry["status"], entry["missing"], entry["inserted"], entry["attempts"]) == (
            "done",
            missing,
            missing,
            1,
        )
        assert entry["error"] is None
        assert entry["seconds"] > 0
    assert [entry["date"] for entry in found["dates"]] == ["2024-04-21", "2024-04-22"]
    assert (found["inserted"], found["remaining"], found["reconciled"]) == (9, 0, False)
    for model, btc in found["btc"].items():
        written = [oracle.bitcoin(Decimal(mwh), model, oracle.difficulty(TWO), "3.125") for mwh in (4, 3, 0)]
        assert btc == str(sum(map(oracle.satoshis, written)))


@pytest.mark.parametrize(
    ("command", "arguments", "first", "last"),
    [
        ("date", [TWO], TWO, TWO),
        ("range", [TWO, THREE, 1], TWO, THREE),
        ("fix", ["--from", TWO, "--to", TWO], TWO, TWO),
    ],
)
def test_every_command_that_fills_prints_the_same_document(
    four_dates: Database, run_recon: Run, command: str, arguments: list, first: date, last: date
) -> None:
    found = document(run_recon(command, *arguments, "--json", url=four_dates.url), 1)
    assert set(found) >= FIX
    assert found["command"] == command
    assert found["window"] == {"first": first.isoformat(), "last": last.isoformat()}
    assert found["inserted"] == (9 if last > TWO else 3)


def test_a_dry_run_prints_the_plan_and_writes_nothing(four_dates: Database, run_recon: Run) -> None:
    before = four_dates.rows(f"select * from {TABLE} order by id")
    found = document(run_recon("fix", "--dry-run", "--json", url=four_dates.url), 1)
    assert set(found) >= FIX
    assert found["planned"] == {"dates": 2, "rows": 9}
    assert {(entry["status"], entry["inserted"]) for entry in found["dates"]} == {("pending", 0)}
    assert (found["run_id"], found["inserted"], found["remaining"]) == (None, 0, 9)
    assert four_dates.rows(f"select * from {TABLE} order by id") == before
    assert four_dates.count("pg_namespace", "nspname = 'recon'") == 0
    real = document(run_recon("fix", "--json", url=four_dates.url), 1)
    assert [(e["date"], e["missing"]) for e in found["dates"]] == [(e["date"], e["missing"]) for e in real["dates"]]


def test_runs_and_one_run(four_dates: Database, run_recon: Run) -> None:
    assert document(run_recon("runs", "--json", url=four_dates.url))["runs"] == []
    first = document(run_recon("date", THREE, "--json", url=four_dates.url))["run_id"]
    second = document(run_recon("fix", "--json", url=four_dates.url), 1)["run_id"]
    found = document(run_recon("runs", "--json", url=four_dates.url))
    assert (found["schema_version"], found["command"]) == (1, "runs")
    assert [(run["run_id"], run["command"], run["status"]) for run in found["runs"]] == [
        (second, "fix", "done"),
        (first, "date", "done"),
    ]
    run = found["runs"][1]
    assert (run["first_date"], run["last_date"]) == ("2024-04-22", "2024-04-22")
    assert (run["dates"], run["dates_done"], run["inserted"]) == (1, 1, 6)
    assert run["parameters"]["fleet"] == "fractional"
    one = document(run_recon("runs", first, "--json", url=four_dates.url))
    assert [run["run_id"] for run in one["runs"]] == [first]
    (entry,) = one["dates"]
    assert set(entry) >= DATE
    assert (entry["date"], entry["status"], entry["inserted"]) == ("2024-04-22", "done", 6)


def test_explain(four_dates: Database, run_recon: Run) -> None:
    found = document(run_recon("explain", ONE, 1, "T_A-1", "--json", url=four_dates.url))
    assert found["key"] == {"settlement_date": "2024-04-20", "settlement_period": 1, "farm_id": "T_A-1"}
    assert found["source_rows"] == [
        {"volume_mwh": "-5", "counts": True},
        {"volume_mwh": "-2.5", "counts": True},
    ]
    assert (found["energy_mwh"], found["joules"], found["subsidy_btc"]) == (7.5, 2.7e10, 3.125)
    assert Decimal(found["difficulty"]) == oracle.difficulty(ONE)
    assert found["fleet"] == "fractional"
    for line in found["models"]:
        terahashes, watts = oracle.MINERS[line["miner_model"]]
        assert line["joules_per_hash"] == pytest.approx(watts / (float(terahashes) * 1e12))
        assert line["hashes"] == pytest.approx(2.7e10 / line["joules_per_hash"])
        exact = oracle.bitcoin(Decimal("7.5"), line["miner_model"], oracle.difficulty(ONE), "3.125")
        assert line["expected_blocks"] == pytest.approx(float(exact) / 3.125)
        assert line["bitcoin_mined"] == str(oracle.satoshis(exact))
        assert [Decimal(stored["bitcoin_mined"]) for stored in line["stored"]] == [oracle.satoshis(exact)]
        assert line["verdict"] == "agrees"
    assert found["agrees"] is True


@pytest.mark.parametrize(
    ("change", "cause", "named"),
    [
        ("bitcoin_mined * 2, difficulty", "wrong_subsidy", "6.25"),
        ("bitcoin_mined, 108105433845147", "wrong_difficulty", "2025-01-27"),
        ("round(bitcoin_mined * difficulty / 83126997340025, 8), difficulty", "wrong_difficulty", "2024-03-28"),
        ("round(bitcoin_mined * 0.6, 8), difficulty", "wrong_energy", "right for 4.5 MWh; the curtailment has 7.5 MWh"),
        ("round(bitcoin_mined * (0.6 + 0.01 * length(miner_model)), 8), difficulty", "wrong_btc", ""),
        ("0, difficulty", "zero", ""),
        ("-1, difficulty", "negative", ""),
        ("'NaN', difficulty", "nan", ""),
    ],
)
def test_explain_says_why_and_the_values_of_a_window_say_the_same(
    four_dates: Database, run_recon: Run, change: str, cause: str, named: str
) -> None:
    key = f"settlement_date = '{ONE}' and settlement_period = 1 and farm_id = 'T_A-1'"
    four_dates.execute(f"update {TABLE} set (bitcoin_mined, difficulty) = row ({change}) where {key}")
    found = document(run_recon("explain", ONE, 1, "T_A-1", "--json", url=four_dates.url), 1)
    assert {(line["verdict"], line["cause"]) for line in found["models"]} == {("differs", cause)}
    assert all(named in (line["because"] or "") for line in found["models"])
    shown = run_recon("explain", ONE, 1, "T_A-1", url=four_dates.url).stdout
    assert len(re.findall(rf"^  why +{cause}\b.*{re.escape(named)}", shown, re.MULTILINE)) == 3
    values = document(run_recon("status", "--values", "--json", url=four_dates.url), 1)["values"]
    assert (values["wrong"], values["wrong_by"]) == (3, {cause: 3})
    assert values["wrong_by_model"] == {model: {cause: 1} for model in MODELS}
    assert [(row["date"], row["cause"], row["rows"]) for row in values["wrong_by_date"]] == [(str(ONE), cause, 1)] * 3
    if cause == "wrong_energy":
        examples = (row["example"] for row in values["wrong_by_date"])
        assert {(row["energy_mwh"], row["implied_energy_mwh"]) for row in examples} == {(7.5, 4.5)}
        shown = run_recon("status", "--values", url=four_dates.url).stdout
        assert "wrong_energy: the BTC of 2024-04-20 1 T_A-1 are right for 4.5 MWh; the curtailment has 7.5 MWh" in shown


def test_explain_offers_keys_of_the_same_period_first(database: Database, run_recon: Run) -> None:
    farms = ("E_ABCD-1", "T_VKNGW-1", "T_VKNGW-2", "T_ZZZZ-1")
    database.add_curtailment(*((ONE, period, farm, "-1") for period in (1, 2) for farm in farms))
    database.add_curtailment((TWO, 2, "T_VKNGW-3", "-1"), (ONE, 2, "T_VKNGW-3", "NaN"))
    nearest = document(run_recon("explain", ONE, 2, "T_VKNGW-3", "--json", url=database.url), 1)["nearest"]
    assert [(key["settlement_date"], key["settlement_period"], key["farm_id"]) for key in nearest] == [
        (str(ONE), 2, "T_VKNGW-1"),
        (str(ONE), 2, "T_VKNGW-2"),
        (str(ONE), 2, "T_ZZZZ-1"),
        (str(TWO), 2, "T_VKNGW-3"),
        (str(ONE), 1, "E_ABCD-1"),
    ]


@pytest.mark.parametrize(
    ("key", "code", "verdicts"),
    [
        ((THREE, 1, "T_B-1"), 1, {"missing"}),
        ((TWO, 1, "T_A-1"), 1, {"duplicate", "agrees"}),
        ((THREE, 9, "T_NONE-1"), 1, set()),
        ((FOUR, 1, "T_A-1"), 1, set()),
    ],
)
def test_explain_says_what_is_off(four_dates: Database, run_recon: Run, key: tuple, code: int, verdicts: set) -> None:
    found = document(run_recon("explain", *key, "--json", url=four_dates.url), code)
    assert {line["verdict"] for line in found["models"]} == verdicts
    assert found["agrees"] is False
    if not verdicts:
        assert found["energy_mwh"] is None
        assert found["nearest"]
        assert found["orphan_models"] == (["S9"] if key[0] == FOUR else [])


def test_init(four_dates: Database, run_recon: Run) -> None:
    dry = document(run_recon("init", "--dry-run", "--json", url=four_dates.url))
    assert (dry["schema_version"], dry["command"], dry["dry_run"]) == (1, "init", True)
    assert dry["ledger"] == {"existed": False, "created": False, "upgraded": False}
    assert "create table if not exists recon.runs" in dry["statements"][0]
    assert four_dates.count("pg_namespace", "nspname = 'recon'") == 0
    made = document(run_recon("init", "--json", url=four_dates.url))
    assert made["ledger"] == {"existed": False, "created": True, "upgraded": False}
    assert made["unique_index"]["statement"].startswith("create unique index concurrently on ")
    again = document(run_recon("init", "--json", url=four_dates.url))
    assert again["ledger"] == {"existed": True, "created": False, "upgraded": False}


def test_init_builds_the_unique_index_once_no_duplicate_stands_in_its_way(four_dates: Database, run_recon: Run) -> None:
    error = document(run_recon("init", "--unique-index", "--json", url=four_dates.url), 2)["error"]
    assert "3 duplicate rows" in error["message"]
    four_dates.execute(f"delete from {TABLE}")
    built = document(run_recon("init", "--unique-index", "--json", url=four_dates.url))
    assert (built["unique_index"]["created"], built["unique_index"]["duplicates"]) == (True, 0)
    again = document(run_recon("init", "--unique-index", "--json", url=four_dates.url))
    assert (again["unique_index"]["existed"], again["unique_index"]["created"]) == (True, False)
    assert document(run_recon("fix", "--json", url=four_dates.url))["inserted"] == 15


def test_an_error_is_a_document_too(database: Database, run_recon: Run) -> None:
    done = run_recon("explain", ONE, 49, "T_A-1", "--json", url=database.url)
    assert document(done, 2) == {
        "schema_version": 1,
        "error": {
            "code": "usage",
            "message": "2024-04-20 has no settlement period 49",
            "hint": "that day has periods 1 to 48",
        },
    }
    assert done.stderr == ""
