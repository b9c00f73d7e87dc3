"""Sessions that work side by side take turns to COPY, and do not wait for each other longer than for the server."""

from __future__ import annotations

import time

import pytest

import recon
from recon.postgres import session
from tests.support import oracle
from tests.support.builders import DAY, days, fill, source_rows
from tests.support.databases import TABLE, Database

DATES = days(DAY, 16)


def before_each_copy(database: Database, body: str) -> None:
    """Has the server do something before each COPY into the calculations."""
    database.execute(f"create function note() returns trigger language plpgsql as $$ begin {body} return null; end $$")
    database.execute(f"create trigger note before insert on {TABLE} for each statement execute function note()")


@pytest.mark.parametrize(("workers", "most"), [(1, 1), (2, 1), (4, 2)])
def test_half_of_the_workers_write_at_the_same_time(database: Database, workers: int, most: int) -> None:
    fill(database, source_rows(DATES))
    database.execute("create table seen (at_once int8)")
    before_each_copy(
        database,
        "insert into seen select count(*) from pg_stat_activity where datname = current_database() and state = 'active'"
        " and query like 'COPY%STDIN%'; perform pg_sleep(0.15);",
    )
    assert recon.fix(database_url=database.url, batch_size=2, workers=workers).after.reconciled
    assert database.rows("select max(at_once) from seen") == [(most,)]


def test_a_turn_is_not_waited_for_by_who_is_waited_for(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each COPY changes the same row of another table, so that the others wait till its transaction ends; and each
    transaction writes twice: of dates that hold nothing, and of those that lack some.
    """
    monkeypatch.setattr(session, "PATIENCE_S", 0.2)
    right = oracle.calculations(fill(database, source_rows(DATES)))
    begun = [row for row in right if row[0] in DATES[::2] and (row[1], row[3]) != (24, "S9")]
    database.add_calculations(*begun)
    database.execute("create table totals (copies int8)")
    database.execute("insert into totals values (0)")
    before_each_copy(database, "update totals set copies = copies + 1;")
    started = time.monotonic()
    assert recon.fix(database_url=database.url, batch_size=4, workers=2).after.reconciled
    assert time.monotonic() - started < 20  # nobody had to be told by the server
    assert oracle.stored(database) == right
    assert database.rows("select copies from totals")[0][0] > len(DATES) / 4
