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
from tests.support.databases import Database

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
