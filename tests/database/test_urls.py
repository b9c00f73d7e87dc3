"""Connection strings as other programs write them, on a real server and through the program."""

from __future__ import annotations

import json
from datetime import date

import pytest

from recon.core.settings import Settings
from tests.support.databases import Database
from tests.support.program import Run
from tests.support.servers import free_port

DAY = date(2024, 4, 20)


@pytest.fixture
def moved(database: Database) -> Database:
    """The two tables in a schema that is on nobody's search_path."""
    database.execute('create schema "Po wer"')
    for table in ("curtailment_records", "historical_bitcoin_calculations"):
        database.execute(f'alter table {table} set schema "Po wer"')
    database.execute(
        'insert into "Po wer".curtailment_records (settlement_date, settlement_period, farm_id, volume, payment, '
        f"original_price, final_price) values ('{DAY}', 1, 'T_A-1', -5, 0, 0, 0)"
    )
    return database


def test_the_schema_of_a_url_is_the_search_path(moved: Database, run_recon: Run) -> None:
    url = f"{moved.url}?schema=Po%20wer&pgbouncer=true&connection_limit=1"
    done = run_recon("fix", "--json", url=url)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["inserted"] == 3
    assert moved.count('"Po wer".historical_bitcoin_calculations') == 3
    assert run_recon("status", "--deep", url=url).returncode == 0


def test_the_other_form_sets_it_too(moved: Database, run_recon: Run) -> None:
    server = moved.server
    text = (
        f"host='{server.directory}' port={server.port} user=postgres dbname={moved.name} schema='Po wer' pgbouncer=true"
    )
    assert run_recon("fix", "--json", url=text).returncode == 0
    assert moved.count('"Po wer".historical_bitcoin_calculations') == 3
    path = '"Po wer", "$user", public'
    assert run_recon("status", url=text.replace("schema='Po wer'", f"search_path='{path}'")).returncode == 0


def test_without_it_the_tables_are_not_found(moved: Database, run_recon: Run) -> None:
    done = run_recon("status", url=f"{moved.url}?pgbouncer=true")
    assert (done.returncode, "has no table curtailment_records" in done.stderr) == (2, True)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("sslmode=no-verify", "the database URL has sslmode=no-verify, which is not understood; sslmode=require"),
        ("colour=blue", "the database URL has colour=blue, which is not understood"),
        ("connect_timeout=soon", "connect_timeout=soon"),
        ("require_auth=magic", 'invalid require_auth value: "magic"'),
        ("port=x", "port"),
        ("min_protocol_version=9", "min_protocol_version"),
    ],
)
def test_what_nobody_knows_is_a_usage_error_in_one_line(run_recon: Run, query: str, words: str) -> None:
    done = run_recon("status", url=f"postgresql://ana:s3cret@127.0.0.1:{free_port()}/power?{query}")
    (line,) = done.stderr.splitlines()
    assert (done.returncode, done.stdout) == (2, "")
    assert words in line
    assert "s3cret" not in line


def test_settings_carry_the_search_path() -> None:
    from recon.api.arguments import Options
    from recon.core.environment import parse_settings

    given = dict.fromkeys(Options.__annotations__) | {"database_url": "postgresql+asyncpg://u@h/db?schema=x"}
    settings = parse_settings(given, database=True)
    assert (settings.database_url, settings.search_path) == ("postgresql://u@h/db", '"x"')
    assert Settings().search_path is None
