"""`status --cached`: what runs last saw, from the ledger; nothing is scanned, and nothing that writes believes it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tests import oracle
from tests.builders import DAY, days, fill, source_rows
from tests.databases import Database

Run = Callable[..., Any]
DATES = days(DAY, 5)
TABLES = ("curtailment_records", "historical_bitcoin_calculations")
SCANS = (
    "select coalesce(sum(seq_scan + coalesce(idx_scan, 0)), 0)::int8 from pg_stat_user_tables"
    f" where relname in {TABLES}"
)


def cached(run_recon: Run, database: Database, *more: object) -> tuple[int, dict[str, Any]]:
    done = run_recon("status", "--cached", "--json", *more, url=database.url)
    return done.returncode, json.loads(done.stdout)


def flushed(database: Database) -> int:
    """The scans of the two tables so far; and the server knows of what our own session has changed."""
    database.execute("select pg_stat_force_next_flush()")
    database.execute("select pg_stat_clear_snapshot()")
    return int(database.scalar(SCANS))


def test_what_runs_saw_is_told_without_a_scan_until_the_source_changes(database: Database, run_recon: Run) -> None:
    fill(database, source_rows(DATES))
    flushed(database)
    code, document = cached(run_recon, database)
    assert (code, document["error"]["code"]) == (2, "not_cached")
    assert run_recon("range", DATES[0], DATES[2], url=database.url).returncode == 0
    assert cached(run_recon, database)[0] == 2, "the other dates were not looked at"
    assert cached(run_recon, database, "--from", DATES[0], "--to", DATES[1])[0] == 0
    assert run_recon("fix", url=database.url).returncode == 0
    before = flushed(database)
    code, document = cached(run_recon, database)
    assert flushed(database) == before
    assert (code, document["cached"]["current"], document["reconciled"]) == (0, True, True)
    expected = oracle.status(database)
    assert {name: document[name] for name in expected} == expected
    database.add_curtailment((DATES[1], 7, "T_NEW-1", "-1"))
    flushed(database)
    code, document = cached(run_recon, database)
    assert (code, document["cached"]["current"], document["reconciled"]) == (1, False, False)
    assert document["missing"] == 0, "as it was seen"
    database.execute(f"delete from {TABLES[1]} where settlement_date = '{DATES[2]}'")
    assert "has changed since; 'recon status' looks again" in run_recon("status", "--cached", url=database.url).stdout
    fixed = json.loads(run_recon("fix", "--json", url=database.url).stdout)
    gone = [row for row in oracle.calculations(source_rows(DATES)) if row[0] == DATES[2]]
    assert fixed["inserted"] == len(gone) + 3, "a run looks for itself"
    assert cached(run_recon, database)[1]["cached"]["current"]
    database.execute(f"truncate {TABLES[0]}")
    assert cached(run_recon, database)[1]["cached"]["current"] is False


def test_a_date_without_anything_any_more_and_other_miner_models(
    database: Database, run_recon: Run, tmp_path: Any
) -> None:
    fill(database, source_rows(DATES))
    assert run_recon("fix", url=database.url).returncode == 0
    for table in TABLES:
        database.execute(f"delete from {table} where settlement_date = '{DATES[0]}'")
    flushed(database)
    assert run_recon("fix", url=database.url).returncode == 0
    code, document = cached(run_recon, database)
    assert (code, document["dates"]["total"], document["cached"]["current"]) == (0, len(DATES) - 1, True)
    miners = tmp_path / "miners.csv"
    miners.write_text("miner_model,hashrate_ths,power_w\nS21,200,3500\n")
    code, document = cached(run_recon, database, "--miners", miners)
    assert (code, document["error"]["code"]) == (2, "ledger")
    assert run_recon("status", "--cached", "--deep", url=database.url).returncode == 2


def test_a_run_is_right_without_the_table_of_fingerprints(database: Database, run_recon: Run) -> None:
    fill(database, source_rows(DATES))
    assert run_recon("init", url=database.url).returncode == 0
    database.execute("drop table recon.fingerprints")
    assert run_recon("fix", url=database.url).returncode == 0
    assert run_recon("fix", url=database.url).returncode == 0
    assert cached(run_recon, database)[1]["error"]["code"] == "not_cached"
