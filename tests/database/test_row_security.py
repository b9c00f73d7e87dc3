"""Row security is refused with what to ask for: what is filtered is never counted, and never repaired by."""

from __future__ import annotations

import json

import pytest

from tests.support.builders import DAY, days, fill, source_rows
from tests.support.databases import CURTAILMENT, TABLE, Database
from tests.support.program import Run
from tests.support.roles import READER, REPAIRER, WRITER, role_url

COMMANDS: list[list[object]] = [
    ["status"],
    ["analyze"],
    ["fix"],
    ["fix", "--repair", "missing,wrong,duplicate,orphan", "--yes", "--max-changes", "100%"],
    ["daily", "--today", DAY],
    ["date", DAY],
    ["resume"],
    ["minimal", "most-critical"],
    ["explain", DAY, 1, "T_FARM-0"],
    ["verify"],
    ["export", "--out", "slice"],
    ["report", "--out", "r.html"],
    ["init", "--unique-index"],
]


@pytest.fixture
def filled(database: Database, run_recon: Run) -> Database:
    """Two dates, filled but for a row."""
    fill(database, source_rows(days(DAY, 2), farms=2, periods=(1,)))
    assert run_recon("fix", url=database.url).returncode == 0
    database.execute("update recon.run_dates set status = 'pending'")
    database.execute(f"delete from {TABLE} where id = 1")
    return database


def refuse(database: Database, run_recon: Run, url: str, what: str, *words: str) -> None:
    before = database.rows(f"select * from {TABLE} order by id")
    for command in COMMANDS:
        done = run_recon(*command, "--json", url=url)
        error = json.loads(done.stdout)["error"]
        assert (done.returncode, error["code"]) == (3, "permission"), (command, error)
        assert error["message"].startswith(f"row security hides rows of {what}"), command
        for word in ("BYPASSRLS", "or for a role that the policies do not filter", *words):
            assert word in error["hint"], command
    assert database.rows(f"select * from {TABLE} order by id") == before


@pytest.mark.parametrize("table", [CURTAILMENT, TABLE])
def test_a_table_that_is_filtered_is_refused_before_anything(filled: Database, run_recon: Run, table: str) -> None:
    role = f"recon_{filled.name}"
    url = role_url(filled, "recon", WRITER, REPAIRER)
    filled.execute(f"alter table {table} enable row level security")
    filled.execute(f"create policy p on {table} for select to \"{role}\" using (farm_id <> 'T_FARM-1')")
    refuse(filled, run_recon, url, f'public.{table} from role "{role}"', f'ALTER ROLE "{role}" BYPASSRLS')
    assert run_recon("status", url=filled.url).returncode == 1  # a superuser is not filtered
    filled.execute(f'alter role "{role}" bypassrls')
    assert run_recon("fix", url=url).returncode == 0
    assert run_recon("status", url=url).returncode == 0


def test_a_view_over_a_filtered_table_is_refused_too(filled: Database, run_recon: Run) -> None:
    """The view's owner is who is filtered."""
    url = role_url(filled, "recon", WRITER, REPAIRER)
    filled.server.create_role(owner := f"owner_{filled.name}", "pw")
    for statement in (
        f"alter table {CURTAILMENT} rename to behind",
        "alter table behind enable row level security",
        "create policy p on behind for select using (farm_id <> 'T_FARM-1')",
        f'grant select on behind to "{owner}"',
        f"create view {CURTAILMENT} as select * from behind",
        f'alter view {CURTAILMENT} owner to "{owner}"',
        f'grant select on {CURTAILMENT} to "recon_{filled.name}"',
    ):
        filled.execute(statement)
    refuse(filled, run_recon, url, "behind")


def test_a_reader_whom_no_policy_filters_reads(filled: Database, run_recon: Run) -> None:
    """Row security that is enabled, with a role that owns the table: its owner is not filtered unless forced."""
    url = role_url(filled, "analyst", READER)
    filled.execute(f'alter table {CURTAILMENT} owner to "analyst_{filled.name}"')
    filled.execute(f"alter table {CURTAILMENT} enable row level security")
    assert run_recon("status", url=url).returncode == 1
    filled.execute(f"alter table {CURTAILMENT} force row level security")
    assert run_recon("status", url=url).returncode == 3
