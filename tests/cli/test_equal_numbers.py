"""A number that stands in two places is the same in both: terminal, JSON, page, metrics, library; in a dry run and in
the run; and, where SQL can count it, in the tables.
"""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

import recon
from tests.support import oracle
from tests.support.builders import days, fill, source_rows
from tests.support.databases import TABLE, Database
from tests.support.page import Page
from tests.support.program import Run, document

DATES = days(date(2026, 6, 19), 6)
"""The packaged difficulty ends with the last of them."""
BLOCKED = date(2026, 6, 25)
SOURCE = source_rows([*DATES, BLOCKED])
RIGHT = oracle.calculations(row for row in SOURCE if row[0] != BLOCKED)
KEYS = {row[:4] for row in oracle.calculations(SOURCE)}
ALL = ("--repair", "missing,wrong,duplicate,orphan")
MANY = ("--yes", "--max-changes", "50%")


@pytest.fixture
def damaged(database: Database) -> Database:
    """By date: agrees; lacks a model and a period; none at all; duplicates; surplus rows; wrong values; blocked, with
    one row.
    """
    fill(database, SOURCE)
    blocked = next(row for row in sorted(KEYS) if row[0] == BLOCKED)
    database.add_calculations(*RIGHT, (*blocked, 1, 1))
    _, gaps, nothing, twice, surplus, wrong = DATES
    period = "settlement_period = 1"
    database.execute(
        f"delete from {TABLE} where settlement_date = '{nothing}'"
        f" or settlement_date = '{gaps}' and (miner_model = 'S9' or {period})"
    )
    copies = [row for row in RIGHT if row[0] == twice][:4]
    database.add_calculations(*copies, *copies[:2])
    database.add_calculations(
        (surplus, 1, "T_GONE-1", "S9", 1, 1),
        (surplus, 2, "T_FARM-0", "S9", 1, 1),
        (surplus, 1, "T_FARM-0", "T17", 1, 1),
    )
    for farm, value in enumerate(("bitcoin_mined * 2", "0", "'NaN'")):
        where = f"settlement_date = '{wrong}' and {period} and farm_id = 'T_FARM-{farm}'"
        database.execute(f"update {TABLE} set bitcoin_mined = {value} where {where}")
    for model, factor in (("S9", "-1"), ("M20S", "1.37")):
        where = f"settlement_date = '{wrong}' and settlement_period = 24 and miner_model = '{model}'"
        database.execute(f"update {TABLE} set bitcoin_mined = bitcoin_mined * {factor} where {where}")
    return database


def number(text: str) -> int:
    return int(text.replace(",", ""))


def numbers(pattern: str, text: str) -> list[int]:
    """The numbers of the pattern's groups, in the one place where it stands; 0 for a group that is not there."""
    (found,) = re.finditer(pattern, text, re.M)
    return [number(group or "0") for group in found.groups()]


def line(first: str, text: str) -> list[list[int]]:
    """The numbers of every table row that begins with this word."""
    rows = re.findall(rf"^{re.escape(first)} +((?:[\d,.]+ *)+)$", text, re.M)
    return [[number(cell.split(".")[0]) for cell in row.split()] for row in rows]


def wrong_rows(database: Database) -> int:
    """The rows of a known key whose BTC are not what exact arithmetic says."""
    right = {row[:4]: row[4] for row in RIGHT}
    return sum(row[:4] in right and row[4] != right[row[:4]] for row in oracle.stored(database))


def test_status_is_the_same_wherever_it_stands(damaged: Database, run_recon: Run, tmp_path: Path) -> None:
    status = document(run_recon("status", "--values", "--json", url=damaged.url), code=1)
    counted = oracle.status(damaged)
    assert counted["missing"] > counted["duplicate"] > 0 < counted["orphan"] != counted["duplicate"]
    by_values = {"dates", "reconciled"}
    assert {name: status[name] for name in counted if name not in by_values} == {
        name: count for name, count in counted.items() if name not in by_values
    }
    values = status["values"]
    assert values["wrong"] == wrong_rows(damaged) == sum(values["wrong_by"].values()) > 0
    assert values["verdicts"]["blocked"] == 1
    assert sum(values["verdicts"].values()) == damaged.count(TABLE)
    assert status["dates"] == {"total": 7, "complete": 1, "partial": 5, "empty": 1}

    library = recon.status(values=True, database_url=damaged.url)
    assert library.to_dict() == status
    assert {name: library.total(name) for name in oracle.DATE_COUNTS[:5]} == {
        name: status[name] for name in oracle.DATE_COUNTS[:5]
    }
    assert library.dates.get_column("wrong").sum() == values["wrong"]
    assert library.sentence in run_recon("status", "--values", url=damaged.url).stdout

    analysis = document(run_recon("analyze", "--values", "--json", url=damaged.url), code=1)
    own = {"command", "next", "by_model"}
    assert {name: analysis[name] for name in status if name not in own} == {
        name: status[name] for name in status if name not in own
    }
    assert analysis["by_model"] == status["by_model"]
    for name in ("missing", "duplicate", "orphan"):
        assert sum(day[name] for day in analysis["worst_dates"]) == status[name]
    assert sum(day["wrong"] for day in analysis["worst_dates"]) == values["wrong"]
    assert sum(month["missing"] for month in analysis["months"]) == status["missing"]
    findings = Counter({finding["code"]: finding["count"] for finding in analysis["findings"]})
    assert findings["duplicates"] == status["duplicate"]
    assert findings["orphans"] + findings["unknown_models"] == status["orphan"]
    assert (findings["wrong_values"], findings["empty_dates"]) == (values["wrong"], status["dates"]["empty"])

    _terminal(run_recon("status", "--values", url=damaged.url).stdout, status)
    shown = run_recon("analyze", "--values", url=damaged.url).stdout
    _terminal(shown, status)
    for day in analysis["worst_dates"]:
        assert line(day["date"], shown) == [[day[name] for name in (*oracle.DATE_COUNTS[:5], "wrong")]]
    told = dict(re.findall(r"^\w+: (\w+) \(([\d,]+)\)$", shown, re.M))
    assert told and {code: number(count) for code, count in told.items()} == {code: findings[code] for code in told}

    out = tmp_path / "report.html"
    assert run_recon("report", "--values", "--out", out, url=damaged.url).returncode == 1
    page = Page(out.read_text(encoding="utf-8"))
    same = analysis.keys() - {"command"}
    assert {name: page.document[name] for name in same} == {name: analysis[name] for name in same}
    for name, text in page.figures.items():
        figure: Any = status
        for part in name.split("."):
            figure = figure[part]
        assert Decimal(text.replace(",", "")) == Decimal(str(figure)), name
    sums = {name: sum(day[name] for day in page.document["calendar"]) for name in ("missing", "duplicate", "orphan")}
    assert sums == {name: status[name] for name in sums}


def _terminal(shown: str, status: dict[str, Any]) -> None:
    """Every number of the status as people see it is that of the document."""
    values = status["values"]
    assert numbers(r": ([\d,]+) curtailment rows, ([\d,]+) keys$", shown) == [
        status["curtailment_rows"],
        status["keys"],
    ]
    for model, side in (*status["by_model"].items(), ("all", status)):
        assert [row[:3] for row in line(model, shown)] == [[side[name] for name in ("expected", "matched", "missing")]]
    counts = numbers(r"^([\d,]+) dates: ([\d,]+) complete, ([\d,]+) partial, ([\d,]+) empty$", shown)
    assert counts == [status["dates"][name] for name in ("total", "complete", "partial", "empty")]
    complete, total, missing = numbers(r"^2026-06 .* ([\d,]+)/([\d,]+) +([\d,]+)$", shown)
    assert (complete, total, missing) == (counts[1], counts[0], status["missing"])
    for kind, models in (("verdicts", "by_model"), ("wrong_by", "wrong_by_model")):
        for name, rows in values[kind].items():
            sides = [[side.get(name, 0) for side in values[models].values()]]
            either = [
                [side.get(name, 0) for side in values[other].values()] for other in ("by_model", "wrong_by_model")
            ]
            assert sum(sides[0]) == rows and sides[0] in line(name, shown)
            assert all(row in either for row in line(name, shown))
    last = numbers(r"^not reconciled: ([\d,]+) missing, ([\d,]+) duplicate, ([\d,]+) orphan, ([\d,]+) wrong", shown)
    assert last == [status["missing"], status["duplicate"], status["orphan"], values["wrong"]]


def test_a_run_does_what_its_dry_run_said(damaged: Database, run_recon: Run) -> None:
    status = document(run_recon("status", "--values", "--json", url=damaged.url), code=1)
    blocked_rows = oracle.status_by_date(damaged)[BLOCKED]["missing"]
    rows_before = damaged.count(TABLE)
    shown = run_recon("fix", *ALL, "--dry-run", url=damaged.url).stdout
    dry = document(run_recon("fix", *ALL, "--dry-run", "--json", url=damaged.url), code=1)
    plan = recon.plan(repair=ALL[1], database_url=damaged.url)
    assert plan.to_dict() | {"seconds": 0} == dry | {"seconds": 0}
    per_date = Counter(date.fromisoformat(row["date"]) for row in dry["changes"])
    assert plan.table.select("settlement_date", "missing", "changes").rows() == [
        (day, row["missing"], per_date[day]) for row in dry["dates"] if (day := date.fromisoformat(row["date"]))
    ]
    actions = Counter(row["action"] for row in dry["changes"])
    reasons = Counter(row["cause"] or row["reason"] for row in dry["changes"])
    assert dry["planned"]["rows"] == status["missing"] - blocked_rows
    assert (dry["remaining"], dry["missing_before"]) == (status["missing"], status["missing"])
    assert actions == {"replace": status["values"]["wrong"], "remove": status["duplicate"] + status["orphan"]}
    for reason, rows in reasons.items():
        assert line(reason, shown) == [[rows]]
    said = numbers(
        r"^dry run: (\S+) missing rows on (\S+) dates would be written, (\S+) rows replaced, (\S+) removed;", shown
    )
    filled = sum(day["missing"] > 0 for day in dry["dates"] if day["status"] != "blocked")
    assert said == [dry["planned"]["rows"], filled, actions["replace"], actions["remove"]]

    done = run_recon("fix", *ALL, *MANY, url=damaged.url)
    assert done.returncode == 4
    did = numbers(
        r"^run \w+: ([\d,]+) rows written, ([\d,]+) replaced, ([\d,]+) removed and verified on ([\d,]+) dates",
        done.stdout,
    )
    assert did == [said[0], said[2], said[3], dry["planned"]["dates"]]
    assert damaged.count(TABLE) == rows_before + did[0] - did[2]
    assert damaged.count("recon.quarantine") == did[1] + did[2]
    (run,) = document(run_recon("runs", "--json", url=damaged.url))["runs"]
    assert [run["inserted"] - run["replaced"], run["replaced"], run["removed"], run["dates_done"]] == did
    assert numbers(
        rf"^{run['run_id']} +fix +\w+ +(\d+)/\d+ +(\d+) +(\d+) +(\d+) ", run_recon("runs", url=damaged.url).stdout
    ) == [did[3], *did[:3]]
    history = recon.runs(database_url=damaged.url)
    assert [history.to_frame().item(0, name) for name in ("inserted", "replaced", "removed")] == [
        run[name] for name in ("inserted", "replaced", "removed")
    ]
    assert history.sentence.endswith(f", {did[0]} rows written, {did[1]} replaced, {did[2]} removed")
    (kept,) = document(run_recon("quarantine", "list", "--json", url=damaged.url))["runs"]
    assert kept["rows"] == len(dry["changes"])
    assert kept["reasons"] == Counter(row["reason"] for row in dry["changes"])
    after = document(run_recon("status", "--values", "--json", url=damaged.url), code=1)
    assert (after["missing"], after["duplicate"], after["orphan"]) == (blocked_rows, 0, 0)
    assert numbers(r"^not reconciled: ([\d,]+) missing, ([\d,]+) duplicate, ([\d,]+) orphan", done.stdout) == [
        after[name] for name in ("missing", "duplicate", "orphan")
    ]
    left = recon.verify(database_url=damaged.url)
    assert left.to_frame().get_column("rows").sum() == damaged.count(TABLE) == after["matched"]


def test_the_metrics_of_a_night_are_the_status_after_it(damaged: Database, run_recon: Run, tmp_path: Path) -> None:
    rows_before, file = damaged.count(TABLE), tmp_path / "recon.prom"
    night = ("daily", "--today", BLOCKED, "--days", 7, "--values", "--metrics-file", file, "--json")
    done = document(run_recon(*night, url=damaged.url), code=4)
    families = text_string_to_metric_families(file.read_text())
    metrics = {sample.name.removeprefix("recon_"): sample.value for f in families for sample in f.samples}
    status = document(run_recon("status", "--values", "--json", url=damaged.url), code=1)
    counts = oracle.status(damaged)
    for name in ("expected", "missing", "duplicate", "orphan"):
        assert metrics[f"daily_{name}_rows"] == status[name] == counts[name], name
    assert [done["remaining"], done["duplicate"], done["orphan"], done["expected"], done["wrong"]] == [
        *(status[name] for name in ("missing", "duplicate", "orphan", "expected")),
        status["values"]["wrong"],
    ]
    assert metrics["daily_wrong_rows"] == status["values"]["wrong"] == wrong_rows(damaged) > 0
    assert metrics["daily_inserted_rows"] == done["inserted"] == damaged.count(TABLE) - rows_before > 0
    assert metrics["daily_blocked_dates"] == done["blocked_dates"] == 1
    assert (metrics["daily_failed_dates"], metrics["daily_exit_code"]) == (0, 4)
    newest = datetime.fromtimestamp(metrics["newest_curtailment_timestamp_seconds"], UTC).date()
    assert str(newest) == done["newest_curtailment"] == status["newest_curtailment"] == str(BLOCKED)
    assert metrics["difficulty_coverage_days"] == done["difficulty_coverage_days"] == -1
