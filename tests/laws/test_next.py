"""Whatever happened to a correct table: what recon suggests next, run as it is printed, brings it back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings

from tests.laws.test_repair import CORRUPTIONS, RIGHT, SOURCE, Corruption, hold
from tests.support import oracle
from tests.support.builders import fill
from tests.support.databases import Database, new_database
from tests.support.following import follow
from tests.support.program import Run
from tests.support.servers import Server


@pytest.fixture(scope="module")
def tables(server: Server) -> Iterator[Database]:
    database = new_database(server)
    fill(database, SOURCE)
    yield database
    database.drop()


@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(CORRUPTIONS)
def test_following_it_ends_with_the_right_table(tables: Database, run_recon: Run, corruption: Corruption) -> None:
    hold(tables, corruption)
    ran = follow(run_recon, "status", url=tables.url)
    ran += follow(run_recon, "status", "--values", url=tables.url)
    assert len(ran) <= 6
    assert oracle.stored(tables) == RIGHT
