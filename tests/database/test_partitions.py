"""Calculations of one partition per month: made as the guide says, filled, and only those of the window are read."""

from __future__ import annotations

import json
import re
from datetime import date

from tests.faults.harness import backend_pids
from tests.support import oracle
from tests.support.builders import fill, source_rows
from tests.support.databases import TABLE, Database
from tests.support.program import Run
from tests.support.readme import GUIDES, blocks
from tests.support.servers import wait_until

DATES = [date(2024, month, day) for month in (3, 4, 6) for day in (1, 20, 30)]
READ = "select relname, seq_scan + coalesce(idx_scan, 0) from pg_stat_user_tables where relname like '{}\\_%'"
NEW, EXISTING, MONTHS = (block for block in blocks("sql", GUIDES["cluster"]) if block.startswith("-- partitions: "))
"""The guide's statements: for a new table, for one that exists, and what follows either."""


def run_block(database: Database, block: str) -> None:
    """A block's statements; a line that begins one is not indented."""
    for statement in re.split(r";\n(?=[A-Z]|$)", block):
        if statement:
            database.execute(statement)


def reads(database: Database) -> dict[str, int]:
    """How often each partition was read; the server learns it when a session ends, or is asked to tell."""
    wait_until(lambda: not backend_pids(database), what="the end of recon's sessions")
    database.execute("select pg_stat_force_next_flush()")
    return dict(database.rows(READ.format(TABLE)))


def leaves(database: Database) -> list[str]:
    made = database.rows(f"select relid::regclass::text from pg_partition_tree('{TABLE}') where isleaf order by 1")
    return [name for (name,) in made]


def test_a_new_table_made_as_the_guide_says_is_filled_and_read_by_the_month(database: Database, run_recon: Run) -> None:
    rows = fill(database, source_rows(DATES))
    database.execute(f"drop table {TABLE}")
    run_block(database, NEW)
    run_block(database, MONTHS)
    months = [f"{TABLE}_{year}_{month:02}" for year in (2024, 2025, 2026) for month in range(1, 13)]
    assert leaves(database) == [*months, f"{TABLE}_other"]
    assert run_recon("fix", url=database.url).returncode == 0
    assert oracle.stored(database) == oracle.calculations(rows)
    assert database.scalar(f"select count(distinct id) = count(*) from {TABLE}")
    assert database.count(f"{TABLE}_other") == 0
    status = json.loads(run_recon("analyze", "--json", url=database.url).stdout)
    assert status["reconciled"] and "no_unique_index" not in {finding["code"] for finding in status["findings"]}
    before = reads(database)
    window = ("--from", "2024-04-01", "--to", "2024-04-30")
    assert run_recon("status", *window, "--deep", url=database.url).returncode == 0
    after = reads(database)
    assert {name for name, count in after.items() if count != before[name]} == {f"{TABLE}_2024_04"}


def test_an_existing_table_becomes_a_partition_with_its_rows_where_they_are(database: Database, run_recon: Run) -> None:
    old = fill(database, source_rows([date(2023, 3, 1), date(2023, 12, 31)]))
    assert run_recon("fix", url=database.url).returncode == 0
    kept = database.rows(f"select id, ctid::text from {TABLE} order by id")
    run_block(database, EXISTING)
    run_block(database, MONTHS)
    assert database.rows(f"select id, ctid::text from {TABLE}_before order by id") == kept
    new = fill(database, source_rows(DATES))
    filled = json.loads(run_recon("fix", "--json", url=database.url).stdout)
    assert (filled["inserted"], filled["reconciled"]) == (len(oracle.calculations(new)), True)
    assert oracle.stored(database) == oracle.calculations([*old, *new])
    assert database.count(f"{TABLE}_before") == len(kept)
    assert database.scalar(f"select count(distinct id) = count(*) from {TABLE}")
    found = json.loads(run_recon("init", "--json", url=database.url).stdout)
    assert found["unique_index"]["existed"]


def test_diagnose_takes_the_partitioned_table_for_a_table(database: Database, run_recon: Run) -> None:
    run_block(database, EXISTING)
    run_block(database, MONTHS)
    fill(database, source_rows(DATES))
    assert run_recon("fix", url=database.url).returncode == 0
    done = run_recon("diagnose", "--json", url=database.url)
    failed = {check["name"] for check in json.loads(done.stdout)["checks"] if check["status"] == "fail"}
    assert (done.returncode, failed) == (0, set())
