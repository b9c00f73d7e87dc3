"""Sessions speak UTF-8, whatever the database and the client's variables say; bytes that are no text get one line."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import oracle
from tests.support.builders import DAY
from tests.support.databases import TABLE, TABLES, Database
from tests.support.program import Run
from tests.support.servers import Server

FARMS = ("T_GRÜN-1", "T_ÉOLE-2", "T_PLAIN-3")


def new_database(server: Server, name: str, encoding: str) -> Iterator[Database]:
    server.execute(f"create database {name} encoding '{encoding}' locale 'C' template template0")
    database = Database(server, name, server.role_url("postgres", database=name) + "?client_encoding=UTF8")
    try:
        for statement in filter(str.strip, TABLES.split(";")):
            database.execute(statement)
        yield database
    finally:
        database.drop()


@pytest.fixture
def latin(server: Server) -> Iterator[Database]:
    """A database in LATIN1 with the two tables."""
    yield from new_database(server, "latin", "LATIN1")


@pytest.fixture
def no_encoding(server: Server) -> Iterator[Database]:
    """A database that takes any bytes for text."""
    yield from new_database(server, "ascii", "SQL_ASCII")


@pytest.mark.parametrize("variables", [{}, {"PGCLIENTENCODING": "LATIN1"}, {"PGOPTIONS": "-cclient_encoding=LATIN1"}])
@pytest.mark.parametrize("on", ["latin", "database"])
def test_every_name_is_read_shown_and_written_as_it_is(
    request: pytest.FixtureRequest, run_recon: Run, tmp_path: Path, on: str, variables: dict[str, str]
) -> None:
    database: Database = request.getfixturevalue(on)
    rows = [(DAY, period, farm, "-10.5") for period in (1, 2) for farm in FARMS]
    database.add_curtailment(*rows)
    env = variables | {"PYTHONUTF8": "1"}
    url = database.url.partition("?")[0]

    def run(*command: object, code: int) -> Any:
        done = run_recon(*command, url=url, env=env)
        assert done.returncode == code, (command, done.stderr)
        return done

    run("analyze", "--values", code=1)
    run("fix", code=0)
    assert oracle.stored(database) == oracle.calculations(rows)
    assert database.scalar(f"select count(*) from {TABLE} where farm_id = 'T_GRÜN-1'") == 6
    run("status", "--values", "--deep", code=0)
    run("status", "--deep", "--reader", "connectorx", code=0)
    assert json.loads(run("explain", DAY, 1, FARMS[0], "--json", code=0).stdout)["agrees"]
    run("report", "--values", "--out", tmp_path / "r.html", code=0)
    run("export", "--format", "csv", "--out", tmp_path / "slice", code=0)
    (written,) = (tmp_path / "slice").rglob("*.csv")
    with written.open(encoding="utf-8", newline="") as file:
        assert {row["farm_id"] for row in csv.DictReader(file)} == set(FARMS)
    run("minimal", "spot-fix", DAY, 1, FARMS[0], code=0)


def test_a_url_that_asks_for_another_encoding_gets_utf8(latin: Database, run_recon: Run) -> None:
    latin.add_curtailment((DAY, 1, FARMS[0], "-10.5"))
    done = run_recon("fix", url=latin.url.partition("?")[0] + "?client_encoding=LATIN1")
    assert done.returncode == 0, done.stderr
    assert latin.count(TABLE, "farm_id = 'T_GRÜN-1'") == 3


def test_bytes_that_are_no_text_get_one_line(no_encoding: Database, run_recon: Run) -> None:
    no_encoding.add_curtailment((DAY, 1, "T_PLAIN-1", "-10.5"))
    assert run_recon("fix", url=no_encoding.url).returncode == 0
    no_encoding.execute("update curtailment_records set farm_id = E'T_GR\\xdcN-1'")
    for command in ("fix", "analyze", "status --deep", "export --out slice"):
        done = run_recon(*command.split(), url=no_encoding.url)
        assert done.returncode in (3, 4), (command, done.stderr)
        assert "bytes that are no text" in done.stderr, command
        assert "Traceback" not in done.stderr
