"""Comparing every stored value, on a server that has its bad moments."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from recon.core.errors import DatabaseError
from recon.core.window import Window
from recon.postgres.scope import Scope
from recon.postgres.tables import Tables
from recon.reconcile import survey, value_check
from recon.reconcile.request import Job
from recon.reference import reference
from tests.support import oracle
from tests.support.builders import DAY, days, fill, source_rows
from tests.support.databases import TABLE, Database

REFERENCE = reference.load(None, None, None, Path("/nowhere"))
DATES = days(DAY, 5)


@pytest.fixture
def tables(database: Database) -> Database:
    """Five dates, each with a row that is wrong."""
    database.add_calculations(*oracle.calculations(fill(database, source_rows(DATES))))
    database.execute(
        "update historical_bitcoin_calculations set bitcoin_mined = 0 where farm_id = 'T_FARM-1' "
        "and settlement_period = 1 and miner_model = 'S9'"
    )
    return database


def check(tables: Database) -> dict[str, Any]:
    told: list[int] = []

    def compared(more: int, total: int) -> None:
        assert total == len(DATES)
        told.append(more)

    asked = value_check.ValueCheck(workers=1, progress=compared)
    found = survey.status(Job("1", "test", tables.settings, REFERENCE), Window(), check=asked)
    assert sum(told) == len(DATES)
    return found.to_dict()


@pytest.mark.parametrize("deep", [False, True])
def test_the_sums_of_all_values_come_with_the_survey(
    tables: Database, monkeypatch: pytest.MonkeyPatch, deep: bool
) -> None:
    """No chunk asks for them again, and nobody where every row is read."""
    names: set[str] = set()
    asked = Tables.sql

    def noted(of: Tables, name: str, scope: Scope | None = None, /, **parts: str) -> str:
        names.add(name)
        return asked(of, name, scope, **parts)

    monkeypatch.setattr(Tables, "sql", noted)
    monkeypatch.delattr(Tables, "stored_sums")
    options = value_check.ValueCheck(deep=deep)
    found = survey.status(Job("1", "test", tables.settings, REFERENCE), Window(), check=options)
    assert found.to_dict()["values"]["wrong"] == len(DATES)
    assert names & {survey.SUMS, survey.ROWS} == {survey.ROWS if deep else survey.SUMS}
    assert ("postgres/survey_source" in names) == deep  # the curtailment is not read for its keys alone


def refuse_more_than(most: int, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Reading times out for more dates than that; the sizes that were tried."""
    tried: list[int] = []
    read = Tables.keys

    def fail(tables: Tables, scope: Scope) -> Any:
        tried.append(len(scope.dates))
        if tried[-1] > most:
            tables.session.execute("set local statement_timeout = 1")
            tables.session.execute("select pg_sleep(1)")
        return read(tables, scope)

    monkeypatch.setattr(Tables, "keys", fail)
    return tried


def test_dates_that_take_too_long_together_are_read_in_halves(
    tables: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = check(tables)
    assert right["values"]["verdicts"]["zero"] == len(DATES)
    tried = refuse_more_than(2, monkeypatch)
    assert check(tables) == right
    assert max(tried) > 2 and sorted(n for n in tried if n <= 2) in ([1, 2, 2], [1, 1, 1, 2])


def test_a_single_date_that_takes_too_long_is_said(tables: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_more_than(0, monkeypatch)
    with pytest.raises(DatabaseError) as error:
        check(tables)
    assert error.value.code == "timeout"


class TestDatesThatAgreeByTheirSums:
    """Are right without a look at each row; whatever is off on a date shows in its sums, and then row by row."""

    @pytest.fixture
    def right(self, database: Database) -> Database:
        rows = [
            (day, period, f"T_FARM-{n}", f"-{period}{n}.5") for day in DATES for period in (1, 2, 3) for n in range(3)
        ]
        database.add_calculations(*oracle.calculations(fill(database, rows)))
        return database

    def reads(self, database: Database, monkeypatch: pytest.MonkeyPatch, *, deep: bool = False) -> tuple[Any, set[Any]]:
        """What is said of the values, and the dates whose rows were read one by one."""
        read, seen = Tables.values, set()

        def noted(tables: Tables, scope: Scope, *, named: bool = True) -> Any:
            seen.update(scope.dates)
            return read(tables, scope, named=named)

        monkeypatch.setattr(Tables, "values", noted)
        job, asked = Job("1", "test", database.settings, REFERENCE), value_check.ValueCheck(deep=deep)
        found = survey.status(job, Window(), check=asked)
        assert found.values is not None
        return found.values, seen

    @pytest.mark.parametrize(
        "types", [("numeric", "numeric"), ("float8", "float8"), ("numeric(20,8)", "numeric(20,2)")]
    )
    def test_no_row_is_read(self, right: Database, monkeypatch: pytest.MonkeyPatch, types: tuple[str, str]) -> None:
        for column, kind in zip(("bitcoin_mined", "difficulty"), types, strict=True):
            right.execute(f"alter table {TABLE} alter column {column} type {kind}")
        values, seen = self.reads(right, monkeypatch)
        assert (values.verdicts, seen) == ({"ok": right.count(TABLE)}, set())
        values, seen = self.reads(right, monkeypatch, deep=True)
        assert (values.verdicts, seen) == ({"ok": right.count(TABLE)}, set(DATES))

    @pytest.mark.parametrize(
        ("change", "verdicts"),
        [
            ("update {t} set bitcoin_mined = bitcoin_mined + 0.00000001 where {r}", {}),
            ("update {t} set bitcoin_mined = bitcoin_mined * 2 where {r}", {"stale": 1}),
            ("update {t} set difficulty = difficulty + 1000000 where {r}", {}),
            ("update {t} set difficulty = difficulty * 2 where {r}", {"wrong_difficulty": 1}),
            ("update {t} set bitcoin_mined = 'NaN' where {r}", {"nan": 1}),
            ("update {t} set farm_id = 'T_OTHER' where {r}", {"orphan": 1}),
            ("insert into {t} ({c}) select {c} from {t} where {r}", {"duplicate": 1}),
        ],
        ids=["a satoshi", "doubled", "within", "of another epoch", "NaN", "moved", "twice"],
    )
    def test_one_that_is_off_is_read(
        self, right: Database, monkeypatch: pytest.MonkeyPatch, change: str, verdicts: dict[str, int]
    ) -> None:
        one = "settlement_date = '2024-04-21' and settlement_period = 1 and farm_id = 'T_FARM-1' and miner_model = 'S9'"
        columns = "settlement_date, settlement_period, farm_id, miner_model, bitcoin_mined, difficulty"
        right.execute(change.format(t=TABLE, r=one, c=columns))
        values, seen = self.reads(right, monkeypatch)
        assert seen == {DATES[1]}
        assert {verdict: rows for verdict, rows in values.verdicts.items() if verdict != "ok"} == verdicts
        assert sum(values.verdicts.values()) == right.count(TABLE)

    def test_two_values_that_change_places_do_not_cancel_out(
        self, right: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        right.execute(
            f"update {TABLE} t set bitcoin_mined = o.bitcoin_mined from {TABLE} o"
            " where t.settlement_date = '2024-04-21' and o.settlement_date = t.settlement_date"
            " and o.miner_model = t.miner_model and o.farm_id = t.farm_id and t.farm_id = 'T_FARM-1'"
            " and t.miner_model = 'S9' and t.settlement_period in (1, 2)"
            " and o.settlement_period = 3 - t.settlement_period"
        )
        values, seen = self.reads(right, monkeypatch)
        assert (seen, values.verdicts["stale"]) == ({DATES[1]}, 2)
