"""A run is closed in the ledger whatever ends its work, and the error that ended it is the one that is raised."""

from __future__ import annotations

from dataclasses import replace

import pytest

from recon.core.errors import DatabaseError, Interrupted
from recon.core.plan import PlannedDate
from recon.postgres import ledger
from recon.postgres.session import connect
from tests.support.builders import DAY
from tests.support.databases import Database

NAME = "recon/fix/abcd"


@pytest.fixture
def run(database: Database) -> Database:
    """A ledger with the run `abcd`, which is at work."""
    with connect(database.settings) as session:
        ledger.ensure(session)
        run = ledger.NewRun("abcd", "fix", (DAY, DAY), {})
        ledger.store_plan(session, run, [PlannedDate(DAY, expected=3, missing=3)])
    return database


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Interrupted(), "interrupted"),
        (KeyboardInterrupt(), "interrupted"),
        (DatabaseError("no"), "failed"),
        (ValueError(), "failed"),
    ],
)
def test_work_that_raises_is_closed_as_interrupted_or_failed(run: Database, error: BaseException, status: str) -> None:
    with pytest.raises(type(error)) as raised, ledger.closing(run.settings, NAME, "abcd"):
        raise error
    assert raised.value is error
    assert run.rows("select status, finished_at is not null from recon.runs") == [(status, True)]


def test_work_that_ends_is_left_to_close_itself(run: Database) -> None:
    with ledger.closing(run.settings, NAME, "abcd"):
        pass
    assert run.rows("select finished_at is null from recon.runs") == [(True,)]


def test_a_server_that_is_gone_does_not_hide_the_first_error(run: Database) -> None:
    elsewhere = replace(run.settings, database_url="postgresql://recon@127.0.0.1:1/nowhere")
    with pytest.raises(DatabaseError, match="the first"), ledger.closing(elsewhere, NAME, "abcd"):
        raise DatabaseError("the first")
