"""Is anything still coming in? The newest curtailment and the dates looked at, wherever they are said."""

from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

import recon
from tests.support import oracle
from tests.support.builders import DAY, days, fill, source_rows
from tests.support.databases import Database
from tests.support.program import Run, document

NEWEST = date(2024, 4, 23)
"""Of four dates from DAY on."""
LATER = "2024-04-30"
"""Seven days after it."""
TOO_LATE = "2024-05-01"
OPEN = {"first": str(DAY), "last": str(NEWEST)}
MIDNIGHT = 1713830400
"""2024-04-23 00:00 UTC, in seconds since 1970."""


@pytest.fixture
def filled(database: Database) -> Database:
    """Four dates, reconciled."""
    database.add_calculations(*oracle.calculations(fill(database, source_rows(days(DAY, 4), farms=1))))
    return database


def figures(file: Path) -> dict[str, float]:
    """The value of each metric."""
    return {one.name: one.samples[0].value for one in text_string_to_metric_families(file.read_text())}


def night(run_recon: Run, database: Database, today: str, code: int, *more: object) -> dict[str, Any]:
    return document(run_recon("daily", "--today", today, "--json", *more, url=database.url), code)


def test_the_newest_date_and_the_dates_looked_at_are_the_same_wherever_they_are_said(
    filled: Database, run_recon: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECON_HOME", str(tmp_path))
    page, file = tmp_path / "page.html", tmp_path / "m.prom"
    for command in (["status"], ["analyze"], ["report", "--out", page]):
        found = document(run_recon(*command, "--json", url=filled.url))
        assert (found["window"], found["newest_curtailment"]) == (OPEN, str(NEWEST))
        shown = run_recon(*command, url=filled.url).stdout
        assert f"{DAY} to {NEWEST}" in shown and f"newest curtailment {NEWEST}" in shown
    assert f"newest curtailment {NEWEST}" in page.read_text()
    library = recon.status(database_url=filled.url)
    assert library.to_dict() == document(run_recon("status", "--json", url=filled.url))
    assert (library.newest_curtailment, library.looked_at.bounds) == (NEWEST, (DAY, NEWEST))

    told = night(run_recon, filled, str(NEWEST), 0, "--metrics-file", file)
    assert told["newest_curtailment"] == str(NEWEST) and not told["no_curtailment"]
    assert told["window"] == {"first": "2024-04-22", "last": str(NEWEST)}
    assert figures(file)["recon_newest_curtailment_timestamp_seconds"] == MIDNIGHT
    assert figures(file)["recon_daily_expected_rows"] == told["expected"] == 18
    assert f"newest curtailment: {NEWEST}\n" in run_recon("daily", "--today", NEWEST, url=filled.url).stdout


@pytest.mark.parametrize(
    ("asked", "window"),
    [
        (["--to", "2024-04-21"], (str(DAY), "2024-04-21")),
        (["--from", "2024-04-22"], ("2024-04-22", str(NEWEST))),
        (["--from", "2024-01-01", "--to", "2024-12-31"], ("2024-01-01", "2024-12-31")),
        (["--from", "2024-05-01"], ("2024-05-01", None)),
        (["--to", "2024-04-19"], (None, "2024-04-19")),
        (["--from", "2024-05-01", "--to", "2024-05-02"], ("2024-05-01", "2024-05-02")),
    ],
)
def test_the_newest_date_is_the_whole_tables_whatever_the_window_is(
    filled: Database, run_recon: Run, asked: list[str], window: tuple[str | None, str | None]
) -> None:
    for deep in ([], ["--deep"]):
        found = document(run_recon("status", *asked, *deep, "--json", url=filled.url))
        assert tuple(found["window"].values()) == window, "an open end is one that has rows, where there are any"
        assert found["newest_curtailment"] == str(NEWEST)
    empty = found["expected"] == 0
    said = run_recon("status", *asked, url=filled.url).stdout.splitlines()[-1]
    assert said.startswith("nothing to reconcile: no curtailment" if empty else "reconciled: ")


def test_rows_of_either_table_are_looked_at_and_a_calculation_is_no_curtailment(
    filled: Database, run_recon: Run
) -> None:
    filled.add_calculations(("2024-03-01", 1, "T_A-1", "S9", 1, 1), ("2024-06-01", 1, "T_A-1", "S9", 1, 1))
    found = document(run_recon("status", "--json", url=filled.url), 1)
    assert found["window"] == {"first": "2024-03-01", "last": "2024-06-01"}
    assert found["newest_curtailment"] == str(NEWEST)
    planned = document(run_recon("fix", "--dry-run", "--json", url=filled.url), 1)
    assert planned["window"] == found["window"]


def test_a_table_without_curtailment_is_not_said_to_be_right(
    database: Database, run_recon: Run, tmp_path: Path
) -> None:
    """Nor is one whose only rows have no date; nobody calls the dates reconciled, and a night is red."""
    nothing = {"first": None, "last": None}
    for _ in range(2):
        found = document(run_recon("status", "--json", url=database.url))
        assert (found["window"], found["newest_curtailment"]) == (nothing, None)
        for command in (["status"], ["fix"]):
            shown = run_recon(*command, url=database.url)
            assert shown.returncode == 0
            assert shown.stdout.splitlines()[-1] == "nothing to reconcile: there is no curtailment at all"
            assert "no row is missing" not in shown.stdout
        report = run_recon("report", "--out", tmp_path / "page.html", url=database.url)
        assert "nothing to reconcile\nno curtailment at all\n" in report.stdout
        assert (
            '<h1 class="nothing">Nothing to reconcile: there is no curtailment.' in (tmp_path / "page.html").read_text()
        )
        told = night(run_recon, database, LATER, 1, "--metrics-file", tmp_path / "m.prom")
        assert (told["newest_curtailment"], told["no_curtailment"], told["expected"]) == (None, True, 0)
        assert set(told["outcomes"].values()) == {"nothing_expected"}
        assert "recon_newest_curtailment" not in (tmp_path / "m.prom").read_text()
        assert run_recon("daily", "--max-feed-age", 0, url=database.url).returncode == 0
        database.add_curtailment(("infinity", 1, "T_A-1", "-5"), ("-infinity", 1, "T_A-1", "-5"))
        database.execute("alter table curtailment_records alter settlement_date drop not null")
        database.execute("update curtailment_records set settlement_date = null where settlement_date = '-infinity'")


def test_a_feed_that_stopped_is_a_result_of_its_own(filled: Database, run_recon: Run, tmp_path: Path) -> None:
    log = tmp_path / "log"
    fresh = night(run_recon, filled, LATER, 0)
    assert (fresh["no_curtailment"], fresh["reconciled"]) == (False, True), "seven days are not too old"
    assert set(fresh["outcomes"].values()) == {"nothing_expected"}
    stale = night(run_recon, filled, TOO_LATE, 1)
    assert (stale["no_curtailment"], stale["exit_code"], stale["newest_curtailment"]) == (True, 1, str(NEWEST))
    assert not night(run_recon, filled, TOO_LATE, 0, "--max-feed-age", 8)["no_curtailment"]
    assert not night(run_recon, filled, "2026-11-26", 0, "--max-feed-age", 0)["no_curtailment"]
    shown = run_recon("daily", "--today", TOO_LATE, "--log-file", log, url=filled.url)
    assert shown.returncode == 1
    last = shown.stdout.splitlines()[-1]
    assert last.startswith(f"no_curtailment: none since {NEWEST}, 8 days before {TOO_LATE}; ")
    (then,) = re.findall("'recon (.*?)'", last)
    assert run_recon(*then.split(), url=filled.url).returncode == 0, "it is about data of the past, as the demo's"
    assert f"no curtailment since {NEWEST}" in log.read_text().splitlines()[-1]
    today = run_recon("daily", url=filled.url)
    assert (today.returncode, f"since {NEWEST}" in today.stdout) == (1, True), "today is years later"


@pytest.mark.parametrize("wrong", ["2024-05-02", "2099-01-01", "9999-12-31", "infinity"])
def test_a_row_dated_after_today_does_not_hide_a_feed_that_stopped(
    filled: Database, run_recon: Run, tmp_path: Path, wrong: str
) -> None:
    filled.add_curtailment((wrong, 1, "T_A-1", "-5"))
    file = tmp_path / "m.prom"
    stale = night(run_recon, filled, TOO_LATE, 1, "--metrics-file", file)
    assert (stale["no_curtailment"], stale["newest_curtailment"]) == (True, str(NEWEST))
    assert figures(file)["recon_newest_curtailment_timestamp_seconds"] == MIDNIGHT
    shown = run_recon("daily", "--today", TOO_LATE, url=filled.url).stdout.splitlines()[-1]
    assert f"none since {NEWEST}" in shown
    assert (f"through {wrong}" in shown) == (wrong != "infinity")
    whole = document(run_recon("status", "--json", url=filled.url), 0 if wrong == "infinity" else 1)
    assert whole["newest_curtailment"] == (str(NEWEST) if wrong == "infinity" else wrong)


def test_what_is_left_is_said_beside_it_and_what_failed_wins(filled: Database, run_recon: Run, tmp_path: Path) -> None:
    """Rows without curtailment: 1, for both reasons. A date that is blocked: 4. No server: 3."""
    log = tmp_path / "log"
    filled.add_calculations((TOO_LATE, 1, "T_A-1", "S9", 1, 1))
    both = night(run_recon, filled, TOO_LATE, 1, "--log-file", log)
    assert (both["no_curtailment"], both["orphan"], both["outcomes"][TOO_LATE]) == (True, 1, "partial")
    line = log.read_text().splitlines()[-1]
    assert "exit code 1" in line and f"no curtailment since {NEWEST}" in line and "1 orphan" in line
    shown = run_recon("daily", "--today", TOO_LATE, url=filled.url).stdout.splitlines()
    assert [line.partition(": ")[0] for line in shown[-3:]] == ["not reconciled", "no_curtailment", "next"]

    filled.execute("delete from curtailment_records")
    filled.add_curtailment(("2035-01-01", 1, "T_A-1", "-5"))
    blocked = night(run_recon, filled, "2035-01-20", 4, "--days", 30)
    assert (blocked["no_curtailment"], blocked["blocked_dates"]) == (True, 1)
    assert night(run_recon, filled, "2035-01-02", 4)["no_curtailment"] is False
    refused = run_recon("daily", "--today", TOO_LATE, "--json", url="postgresql://nobody@127.0.0.1:1/none")
    assert (refused.returncode, json.loads(refused.stdout)["error"]["code"]) == (3, "connect")
    assert run_recon("daily", "--max-feed-age", "-1", url=filled.url).returncode == 2


def test_the_newest_date_takes_no_look_at_the_rows_where_there_is_an_index(filled: Database) -> None:
    """Nor a question of its own: it comes with the curtailment's aggregates."""
    from recon.core.window import Window
    from recon.postgres.inspect import opened
    from recon.postgres.scope import within

    filled.execute("create index by_date on curtailment_records (settlement_date)")
    with opened(filled.settings, "test") as tables:
        query = tables.survey_query("postgres/survey_source", within(Window(DAY, DAY)))
        with tables.session.transaction():
            tables.session.execute("set local enable_seqscan = off")
            plan = json.dumps(tables.session.explain(query))
    assert '"Scan Direction": "Backward"' in plan and '"Node Type": "Limit"' in plan
