"""The guide's GRANTs are enough for what they are said to be for, and for nothing else."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support import oracle
from tests.support.builders import DAY, days, fill, source_rows
from tests.support.databases import TABLE, Database
from tests.support.program import Run
from tests.support.readme import GUIDES, README, blocks
from tests.support.roles import GRANTS, READER, REPAIRER, WRITER, grant, role_url

SAMPLE = Path(__file__).parents[2] / "data" / "sample"
DATES = days(DAY, 8)


@pytest.fixture
def gaps(database: Database, run_recon: Run) -> Database:
    """Eight dates of one key each, a ledger, and an unfinished run in it."""
    fill(database, source_rows(DATES, farms=1, periods=(1,)))
    assert run_recon("date", DAY, url=database.url).returncode == 0
    database.execute("update recon.run_dates set status = 'pending'")
    database.execute(f"delete from {TABLE}")
    return database


def run_id(database: Database) -> str:
    return str(database.scalar("select max(run_id) from recon.runs"))


def test_the_guide_grants_what_each_role_needs_and_the_readme_says_the_same() -> None:
    in_readme, in_guide = (blocks("sql", document) for document in (README, GUIDES["privileges"]))
    assert in_readme == in_guide[:2], "a reader and a writer"
    assert {kind: len(statements) for kind, statements in GRANTS.items()} == {READER: 4, WRITER: 5, REPAIRER: 1}
    assert not any(" ALL PRIVILEGES" in s or "SUPERUSER" in s for statements in GRANTS.values() for s in statements)


def test_a_reader_is_told_which_grant_it_needs_to_write(gaps: Database, run_recon: Run) -> None:
    """What a reader may do, every command that reads, is in test_read_only.py."""
    url = role_url(gaps, "analyst", READER)
    wanted = f'GRANT INSERT ON public.{TABLE} TO "analyst_{gaps.name}"'
    for command in (
        ["fix"],
        ["fix", "--repair", "missing,wrong,duplicate,orphan", "--yes"],
        ["date", DAY],
        ["range", DAY, DATES[2]],
        ["resume"],
        ["daily", "--today", DAY],
        ["minimal", "sequence", DAY, 5],
        ["minimal", "critical-date", DAY],
        ["minimal", "most-critical"],
        ["minimal", "spot-fix", DAY, 1, "T_FARM-0"],
        ["quarantine", "restore", run_id(gaps), "--yes"],
    ):
        done = run_recon(*command, url=url)
        assert (done.returncode, done.stdout) == (3, ""), (command, done.stderr)
        assert done.stderr.startswith("recon: ")
        assert wanted in done.stderr, command
    assert gaps.count(TABLE) == 0
    assert gaps.count("recon.runs") == 1


def test_a_reader_builds_no_index_and_loads_no_sample(gaps: Database, run_recon: Run) -> None:
    url = role_url(gaps, "analyst", READER)
    assert run_recon("init", url=url).returncode == 0  # the ledger is there: nothing is to be done
    done = run_recon("init", "--unique-index", url=url)
    assert done.returncode == 3
    assert done.stderr == f"recon: must be owner of table {TABLE}; ask its owner to do this\n"
    names = ("--curtailment-table", "c", "--calculations-table", "h")
    done = run_recon("sample", "load", SAMPLE, *names, url=url)
    assert done.returncode == 3
    assert "permission denied for schema public" in done.stderr
    assert run_recon("sample", "load", SAMPLE, url=url).returncode == 2  # the tables hold rows


def test_a_writer_can_fill_with_every_command(gaps: Database, run_recon: Run) -> None:
    url = role_url(gaps, "recon", WRITER)
    for command in (
        ["resume"],
        ["minimal", "spot-fix", DATES[1], 1, "T_FARM-0"],
        ["minimal", "sequence", DATES[2], 5],
        ["minimal", "critical-date", DATES[3]],
        ["minimal", "most-critical"],
        ["date", DATES[4]],
        ["range", DATES[5], DATES[5]],
        ["daily", "--today", DATES[6], "--days", 1],
        ["fix"],
    ):
        before = gaps.count(TABLE)
        done = run_recon(*command, url=url)
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        assert gaps.count(TABLE) == before + 3 if command != ["fix"] else before <= gaps.count(TABLE), command
    source = gaps.rows("select settlement_date, settlement_period, farm_id, volume::text from curtailment_records")
    assert oracle.stored(gaps) == oracle.calculations(source)
    assert run_recon("status", "--values", url=url).returncode == 0
    assert run_recon("runs", url=url).returncode == 0


def test_a_writer_repairs_once_it_may_update_and_delete(gaps: Database, run_recon: Run) -> None:
    url = role_url(gaps, "recon", WRITER)
    assert run_recon("fix", url=url).returncode == 0
    gaps.execute(f"update {TABLE} set bitcoin_mined = 2 * bitcoin_mined where settlement_date = '{DAY}'")
    gaps.add_calculations((DAY - timedelta(1), 1, "T_GONE-1", "S9", "0.5", "1"))
    before = gaps.rows(f"select * from {TABLE} order by id")
    repair = ("fix", "--repair", "missing,wrong,duplicate,orphan", "--yes", "--max-changes", "100%", "--json")
    refused = run_recon(*repair, url=url)
    assert refused.returncode == 3
    assert f'GRANT UPDATE ON public.{TABLE} TO "recon_{gaps.name}"' in json.loads(refused.stdout)["error"]["hint"]
    removing = run_recon("fix", "--repair", "orphan", "--yes", "--json", url=url)
    assert f'GRANT DELETE ON public.{TABLE} TO "recon_{gaps.name}"' in json.loads(removing.stdout)["error"]["hint"]
    assert gaps.rows(f"select * from {TABLE} order by id") == before
    assert run_recon("quarantine", "restore", run_id(gaps), "--yes", url=url).returncode == 3
    grant(gaps, f"recon_{gaps.name}", REPAIRER)
    done = run_recon(*repair, url=url)
    assert done.returncode == 0, done.stderr
    restored = run_recon("quarantine", "restore", json.loads(done.stdout)["run_id"], "--yes", url=url)
    assert restored.returncode == 0, restored.stderr
    assert gaps.rows(f"select * from {TABLE} order by id") == before
