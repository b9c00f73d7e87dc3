"""status and analyze beside an independent SQL statement, on any tables; on each version of the server."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from recon.analysis import analyze
from recon.core.window import Window
from recon.postgres.inspect import inspect
from recon.postgres.session import connect
from recon.postgres.tables import Tables
from recon.reconcile import survey
from recon.reconcile.request import Job, ValueCheck
from recon.reference.reference import load
from tests.support import oracle
from tests.support.builders import DAY, MODELS, days, fill, source_rows
from tests.support.databases import Database

REFERENCE = load(None, None, None, Path("nowhere"))
DAYS = [date(2024, 3, 31), date(2024, 4, 20), date(2024, 4, 21), date(2024, 10, 27)]
"""46, 48, 48 and 50 settlement periods."""
FARMS = ["T_A-1", "T'B; --", "風"]
PERIODS = st.sampled_from([0, 1, 2, 46, 47, 48, 49, 50, 51])
VOLUMES = st.sampled_from(["-36.42916666666667", "12", "0", "NaN"])
KEY = (st.sampled_from(DAYS), PERIODS, st.sampled_from(FARMS))
SOURCE = st.lists(st.tuples(*KEY, VOLUMES), max_size=25)
STORED = st.lists(st.tuples(*KEY, st.sampled_from([*MODELS, "T17"])), max_size=30)
COMPLETE = st.sets(st.sampled_from(DAYS), max_size=3)
"""Dates on which every key has all its rows, besides whatever else is there."""
WITHOUT_A_NEW_DATABASE = settings(
    max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def replace_rows(database: Database, source: list[tuple], stored: list[tuple]) -> None:
    """Exactly these rows and no others."""
    database.execute("truncate curtailment_records, historical_bitcoin_calculations")
    if source:
        database.add_curtailment(*source)
    if stored:
        database.add_calculations(*((*row, "0.1", "1") for row in stored))


def completed(source: list[tuple], complete: set[date]) -> list[tuple]:
    keys = [key for key in oracle.energies(source) if key[0] in complete]
    return [(*key, model) for key in keys for model in MODELS]


def the_same(found: dict[str, Any], counted: dict[str, Any]) -> None:
    assert {name: found[name] for name in counted} == counted


def agrees(database: Database) -> None:
    """Survey, --deep and analyze all say what the SQL statement says, of the whole and of a window."""
    counted = oracle.status(database)
    by_date = oracle.status_by_date(database)
    job = Job("1", "test", database.settings, REFERENCE)
    for deep in (False, True):
        status = survey.status(job, Window(), comparison=survey.KeyComparison(deep))
        the_same(status.to_dict(), counted)
    found = analyze.analyze(job, Window()).to_dict()
    the_same(found, counted)
    worst = {row["date"]: {key: row[key] for key in oracle.DATE_COUNTS[:5]} for row in found["worst_dates"]}
    assert worst == {
        str(day): {key: counts[key] for key in oracle.DATE_COUNTS[:5]}
        for day, counts in by_date.items()
        if counts["missing"] or counts["duplicate"] or counts["orphan"]
    }
    assert sum(month["missing"] for month in found["months"]) == counted["missing"]
    window = survey.status(job, Window(DAYS[1], DAYS[2]))
    the_same(window.to_dict(), oracle.status(database, str(DAYS[1]), str(DAYS[2])))


SURELY = example(
    source=[
        (DAYS[1], 1, "T_A-1", "5"),
        (DAYS[1], 1, "T_A-1", "5"),
        (DAYS[0], 47, "T_A-1", "5"),
        (DAYS[3], 50, "風", "0"),
    ],
    stored=[(DAYS[1], 1, "T_A-1", "S9"), (DAYS[1], 1, "T_A-1", "S9"), (DAYS[2], 1, "T_A-1", "S9")],
    complete={DAYS[3]},
)


@given(source=SOURCE, stored=STORED, complete=COMPLETE)
@SURELY
@WITHOUT_A_NEW_DATABASE
def test_status_agrees_with_sql(database: Database, source: list, stored: list, complete: set) -> None:
    replace_rows(database, source, stored + completed(source, complete))
    agrees(database)


@given(source=SOURCE, stored=STORED, complete=COMPLETE)
@SURELY
@WITHOUT_A_NEW_DATABASE
def test_status_agrees_with_sql_on_debians_server(
    debian_database: Database, source: list, stored: list, complete: set
) -> None:
    replace_rows(debian_database, source, stored + completed(source, complete))
    agrees(debian_database)


def test_the_survey_is_as_exact_as_a_comparison_when_counts_deceive(database: Database) -> None:
    """The right number of rows for every date and model, one of them of another key: nothing may offset anything."""
    rows = fill(database, source_rows(days(DAY, 3)))
    right = completed(rows, set(days(DAY, 3)))
    off = [(*row[:2], "T_GONE-1", row[3]) if number % 20 == 7 else row for number, row in enumerate(right)]
    replace_rows(database, rows, off)
    counted = oracle.status(database)
    assert counted["missing"] == counted["orphan"] > 0
    agrees(database)


def test_a_wide_window_is_surveyed_in_halves_of_as_many_rows(database: Database) -> None:
    """By what the server knows of the table after ANALYZE, by the window's first and last date before."""
    early, late = days(date(2023, 1, 1), 240), days(date(2024, 1, 1), 120)
    rows = fill(database, [*source_rows(early, farms=1, periods=[1]), *source_rows(late)])
    replace_rows(database, rows, completed(rows, set(early[::2] + late)))
    agrees(database)
    with connect(database.settings, "recon/test/1") as session:
        layout = inspect(session, database.settings)

        def share(first: date | None, last: date | None) -> float:
            middle = Tables(session, layout).cut(Window(first, last), 2)[0].bounds[1]
            within = [day for day, *_ in rows if (first or day) <= day <= (last or day)]
            return sum(day <= middle for day in within) / len(within)

        assert share(None, None) < 0.4
        database.execute("analyze curtailment_records")
        assert 0.4 < share(None, None) < 0.6
        assert 0.4 < share(early[100], late[50]) < 0.6
        nothing = Window(late[-1] + timedelta(days=1), None)
        assert Tables(session, layout).cut(nothing, 2) == [Window(*nothing.bounds)]
        parts = Tables(session, layout).cut(Window(), 2, rows=len(rows) // 8)
        assert 8 <= len(parts) <= 10
        assert max(sum(day in part for day, *_ in rows) for part in parts) < len(rows) / 5
    agrees(database)


@pytest.mark.parametrize(("workers", "parts"), [(1, (1, 1)), (2, (2, 1)), (3, (3, 1)), (5, (5, 2))])
def test_any_number_of_sessions_sees_the_same(
    database: Database, monkeypatch: pytest.MonkeyPatch, workers: int, parts: tuple[int, int]
) -> None:
    """parts: in how many of them both tables are gone through, and the calculations where their values are summed."""
    dates = days(DAY, 120)
    rows = fill(database, source_rows(dates, farms=2))
    right = oracle.calculations(rows)
    other = [(DAY, 99, "T_GONE-1", "S9", "1", "1"), *right[100:103], (*right[50][:4], "7", right[50][5])]
    database.add_calculations(*right[:50], *right[51::2], *other)
    asked: list[str] = []
    query = Tables.survey_query

    def noted(of: Tables, name: str, condition: str) -> str:
        asked.append(name)
        return query(of, name, condition)

    monkeypatch.setattr(Tables, "survey_query", noted)
    job = Job("1", "test", database.settings, REFERENCE)
    found = survey.status(job, Window(), comparison=survey.KeyComparison(workers=workers))
    assert asked.count(survey.ROWS) == asked.count(survey.KEYS) == parts[0]
    checked = survey.status(job, Window(), check=ValueCheck(workers=workers))
    assert asked.count(survey.SUMS) == parts[1]
    monkeypatch.setattr(survey, "LARGE_ROWS", len(rows) // 4)
    in_parts = survey.status(job, Window(), check=ValueCheck(workers=workers))
    assert asked.count(survey.SUMS) >= parts[1] + 4
    expected = oracle.status(database)
    for report in (found, checked, in_parts):
        the_same(report.to_dict(), expected)
    assert checked.to_dict()["values"]["wrong"] == 1


@pytest.mark.parametrize("reader", ["adbc", "connectorx"])
def test_the_program_says_what_sql_says(database: Database, run_recon: Callable, reader: str) -> None:
    rows = fill(database, source_rows(days(DAY, 4)))
    right = completed(rows, set(days(DAY, 4)))
    database.add_calculations(*((*row, "0.1", "1") for row in [*right[::3], *right[:5], (DAY, 99, "T_GONE-1", "S9")]))
    database.add_curtailment((DAY, 99, "T_ODD-1", -1), (days(DAY, 9)[-1], 1, "T_ODD-1", "NaN"))
    for command in (["status"], ["status", "--deep"], ["status", "--values"], ["analyze"]):
        done = run_recon(*command, "--json", "--reader", reader, url=database.url)
        assert done.returncode == 1, done.stderr
        the_same(json.loads(done.stdout), oracle.status(database))
    day = DAY.isoformat()
    found = json.loads(run_recon("status", "--from", day, "--to", day, "--json", url=database.url).stdout)
    the_same(found, oracle.status(database, day, day))


def test_status_is_read_only(database: Database, run_recon: Callable) -> None:
    fill(database, source_rows([DAY]))
    run_recon("analyze", "--json", url=database.url)
    assert database.count("historical_bitcoin_calculations") == 0
    assert database.count("pg_namespace", "nspname = 'recon'") == 0
    database.server.execute(f'alter database "{database.name}" set default_transaction_read_only = on')
    assert run_recon("status", "--json", url=database.url).returncode == 1
