"""Calculations of one partition per month: made by `recon init`, filled, and only those of the window are read."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from typing import Any

from tests import oracle
from tests.builders import fill, source_rows
from tests.databases import Database
from tests.faults.harness import backend_pids
from tests.servers import wait_until

Run = Callable[..., Any]
TABLE = "historical_bitcoin_calculations"
DATES = [date(2024, month, day) for month in (3, 4, 6) for day in (1, 20, 30)]
READ = "select relname, seq_scan + coalesce(idx_scan, 0) from pg_stat_user_tables where relname like '{}\\_%'"


def reads(database: Database) -> dict[str, int]:
    """How often each partition was read; the server learns it when a session ends, or is asked to tell."""
    wait_until(lambda: not backend_pids(database), what="the end of recon's sessions")
    database.execute("select pg_stat_force_next_flush()")
    return dict(database.rows(READ.format(TABLE)))


def test_an_empty_table_is_partitioned_filled_and_read_by_the_month(database: Database, run_recon: Run) -> None:
    rows = fill(database, source_rows(DATES))
    reader = database.server.create_role(f"reader_{database.name}", "pw")
    database.execute(f'grant select on {TABLE} to "{reader}"')
    shown = run_recon("init", "--partition-by", "month", url=database.url)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "partition of" in shown.stdout and "--yes runs these" in shown.stdout
    assert database.scalar(f"select relkind::text from pg_class where oid = '{TABLE}'::regclass") == "r"
    done = run_recon("init", "--partition-by", "month", "--yes", "--json", url=database.url)
    document = json.loads(done.stdout)
    assert (done.returncode, document["ran"]) == (0, True)
    assert [f"{line};" for line in document["statements"]] == "\n".join(shown.stdout.splitlines()[:-1]).split("\n")
    assert database.scalar(f"select has_table_privilege('{reader}', '{TABLE}', 'select')")
    months = [f"{TABLE}_2024_{month:02}" for month in range(3, 13)]
    months += [f"{TABLE}_2025_{month:02}" for month in range(1, 7)]
    made = database.rows(f"select relid::regclass::text from pg_partition_tree('{TABLE}') where isleaf order by 1")
    assert [name for (name,) in made] == [*months, f"{TABLE}_other"]
    assert run_recon("fix", url=database.url).returncode == 0
    assert oracle.stored(database) == oracle.calculations(rows)
    assert database.scalar(f"select count(distinct id) = count(*) from {TABLE}")
    status = json.loads(run_recon("analyze", "--json", url=database.url).stdout)
    assert "no_unique_index" not in {finding["code"] for finding in status["findings"]}
    before = reads(database)
    window = ("--from", "2024-04-01", "--to", "2024-04-30")
    assert run_recon("status", *window, "--deep", url=database.url).returncode == 0
    after = reads(database)
    assert {name for name, count in after.items() if count != before[name]} == {f"{TABLE}_2024_04"}


def test_what_cannot_be_partitioned_stays_as_it_is(database: Database, run_recon: Run) -> None:
    fill(database, source_rows(DATES[:1]))
    assert run_recon("fix", url=database.url).returncode == 0
    stored = oracle.stored(database)

    def refused(words: str) -> None:
        done = run_recon("init", "--partition-by", "month", "--yes", url=database.url)
        assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
        assert words in done.stderr

    refused("holds rows; only a new or an empty table is partitioned")
    assert oracle.stored(database) == stored
    new = ("--calculations-table", "calculations_new")
    assert run_recon("init", "--partition-by", "month", "--yes", *new, url=database.url).returncode == 0
    assert run_recon("fix", *new, url=database.url).returncode == 0
    assert oracle.stored(database, "calculations_new") == stored
    database.execute(f"truncate {TABLE}")
    database.execute(f"create rule nothing as on delete to {TABLE} do instead nothing")
    refused("has triggers, rules, policies or foreign keys")
    done = run_recon("init", "--partition-by", "month", *new, url=database.url)
    assert (done.returncode, "is partitioned already" in done.stderr) == (2, True)
