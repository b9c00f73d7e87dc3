"""Options that have a second name: both mean the same, and together they may not contradict each other."""

from __future__ import annotations

from threading import Barrier

import pytest

from recon.cli.engine import choose
from recon.core.settings import Settings
from recon.postgres.pool import Pool
from recon.reconcile.engine import Work, works_here
from tests.support import oracle
from tests.support.builders import DAY, days, fill, source_rows
from tests.support.databases import TABLE, Database
from tests.support.program import NOBODY, Run, document, one_line


@pytest.mark.parametrize("option", ["--workers", "--max-connections"])
def test_connections_at_work_are_one_option_of_two_names(database: Database, run_recon: Run, option: str) -> None:
    fill(database, source_rows(days(DAY, 2)))
    for bad in ("0", "65", "many"):
        said = one_line(run_recon("fix", option, bad, url=NOBODY), 2)
        assert said == f"recon: {option} is '{bad}'; give a number from 1 to 64, or auto"
        assert one_line(run_recon("daily", option, bad, url=NOBODY), 2) == said
    document(run_recon("fix", option, 3, "--json", url=database.url))
    (kept,) = database.rows("select (parameters ->> 'workers')::int4 from recon.runs")[0]
    assert kept == 3


def test_both_names_with_different_numbers_contradict_each_other(database: Database, run_recon: Run) -> None:
    for engine in ((), ("--engine", "dask")):
        both = ("status", *engine, "--workers", 2, "--max-connections", 3)
        said = one_line(run_recon(*both, url=NOBODY), 2)
        assert "--workers is '2' and --max-connections is '3'" in said
    fill(database, source_rows([DAY]))
    assert run_recon("fix", "--workers", 2, "--max-connections", 2, url=database.url).returncode == 0


def test_the_number_given_holds_whatever_a_stored_run_has() -> None:
    """As for `recon resume --workers 3` of a run that began with 1: three batches are under way at the same time."""
    together = Barrier(3, timeout=10)

    def meet(*_: object) -> list[int]:
        return [together.wait()]

    engine, remembered, _ = choose(workers="3")
    work = Work(meet, [[day] for day in days(DAY, 3)], Pool(Settings(NOBODY), "nobody"), workers=1)
    assert sorted(place for _, places in engine(work) for place in places) == [0, 1, 2]
    assert remembered == 3
    assert works_here(engine)  # and so goes on with what the plan found


@pytest.mark.parametrize("same", [("--force",), ("--deep", "--repair", "missing,wrong")])
def test_daily_by_force_repairs_stale_rows_as_its_other_name_does(
    database: Database, run_recon: Run, same: tuple[str, ...]
) -> None:
    exact = oracle.calculations(fill(database, source_rows([DAY])))
    database.add_calculations(*exact[1:])
    database.execute(f"update {TABLE} set bitcoin_mined = 2 * bitcoin_mined")
    daily = ("daily", "--today", DAY, "--days", 1, "--max-changes", "100%", "--yes")
    document(run_recon(*daily, *same, "--json", url=database.url))
    assert sorted(oracle.stored(database)) == exact
    assert database.scalar("select parameters ->> 'repairs' from recon.runs") == '["missing", "wrong"]'
