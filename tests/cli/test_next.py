"""What do I do now? One command says it; run as it is printed, and again, it ends with tables that agree."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from tests.support import oracle
from tests.support.builders import DAY, days, fill, source_rows
from tests.support.databases import TABLE, Database
from tests.support.following import follow, public_difficulty, suggested
from tests.support.program import CANARY, Run, document

DATES = days(DAY, 4)
SOURCE = source_rows(DATES)
RIGHT = oracle.calculations(SOURCE)
FIRST, LAST = DATES[0], DATES[-1]
BEYOND = date(2026, 6, 25)
"""The day after the last one of known difficulty, by the packaged file."""


@pytest.fixture
def tables(database: Database) -> Database:
    """Four dates, reconciled."""
    fill(database, SOURCE)
    database.add_calculations(*RIGHT)
    return database


def lack(database: Database, where: str = f"settlement_date > '{FIRST}'") -> None:
    database.execute(f"delete from {TABLE} where {where}")


def double(database: Database, where: str = f"settlement_date = '{FIRST}' and settlement_period = 1") -> None:
    database.execute(f"update {TABLE} set bitcoin_mined = 2 * bitcoin_mined + 1 where {where}")


def repeat(database: Database) -> None:
    database.add_calculations(RIGHT[0], (*RIGHT[1][:4], 7, RIGHT[1][5]))


def stray(database: Database) -> None:
    database.add_calculations((*RIGHT[3][:2], "it's gone", *RIGHT[3][3:]), (*RIGHT[3][:3], "T17", *RIGHT[3][4:]))


def undate(database: Database) -> None:
    database.execute(f"alter table {TABLE} alter settlement_date drop not null")
    database.add_calculations((None, *RIGHT[0][1:]), ("infinity", *RIGHT[1][1:]))


DAMAGES: dict[str, tuple[tuple[Callable[[Database], None], ...], list[str]]] = {
    "nothing": ((), ["status --values"]),
    "gaps": ((lack,), ["status --values", "fix"]),
    "no row at all": ((lambda database: lack(database, "true"),), ["status --values", "fix"]),
    "wrong": (
        (double,),
        ["status --values", "fix --repair wrong --dry-run", "fix --repair wrong --yes"],
    ),
    "all wrong": (
        (lambda database: double(database, "true"),),
        ["status --values", "fix --repair wrong --dry-run", "fix --repair wrong --yes --max-changes 108"],
    ),
    "no numbers": (
        (lambda database: database.execute(f"update {TABLE} set difficulty = 'NaN' where settlement_period = 46"),),
        ["status --values", "fix --repair wrong --dry-run", "fix --repair wrong --yes --max-changes 36"],
    ),
    "duplicates": (
        (repeat,),
        ["status --values", "fix --repair duplicate --dry-run", "fix --repair duplicate --yes"],
    ),
    "orphans": (
        (stray,),
        ["status --values", "fix --repair orphan --dry-run", "fix --repair orphan --yes"],
    ),
    "no dates": (
        (undate,),
        ["status --values", "fix --repair orphan --dry-run", "fix --repair orphan --yes"],
    ),
    "everything": (
        (lack, double, repeat, stray, undate),
        [
            "status --values",
            "fix --repair missing,wrong,duplicate,orphan --dry-run",
            "fix --repair missing,wrong,duplicate,orphan --yes --max-changes 14",
        ],
    ),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_what_is_suggested_mends_all_of_it_as_it_is_printed(tables: Database, run_recon: Run, name: str) -> None:
    damages, steps = DAMAGES[name]
    for damage in damages:
        damage(tables)
    assert follow(run_recon, "status", "--values", url=tables.url) == steps
    assert oracle.stored(tables) == RIGHT


def test_it_names_the_tables_the_window_the_tolerance_and_the_reference_that_were_given(
    tables: Database, run_recon: Run
) -> None:
    tables.execute(f'alter table {TABLE} rename to "mined btc"')
    lack_one = f"delete from \"mined btc\" where settlement_date = '{LAST}' and settlement_period = 1"
    tables.execute(lack_one)
    tables.execute(
        f"update \"mined btc\" set bitcoin_mined = bitcoin_mined + 0.00000002 where settlement_date = '{LAST}'"
    )
    where = ("-d", f"{tables.url}?password={CANARY}", "--calculations-table", "mined btc")
    named = f"-d {tables.url} --calculations-table 'mined btc'"
    near = "--atol 1e-09 --rtol 0.0"
    for window, again in (
        (("--from", LAST), f"fix --from {LAST}"),
        (("--to", LAST), f"fix --to {LAST}"),
        (("--from", FIRST, "--to", LAST), f"range {FIRST} {LAST}"),
        (("--from", LAST, "--to", LAST), f"date {LAST}"),
    ):
        done = run_recon("status", *where, *window, "--values", "--atol", 1e-9, "--rtol", 0)
        assert done.stdout.splitlines()[-1] == (
            f"next: recon {named} {again} --repair missing,wrong {near} --dry-run"
        ), done.stdout
        shown = run_recon(*suggested(done)[1:])
        assert shown.stdout.splitlines()[-1].startswith(f"next: recon {named} {again} --repair missing,wrong {near}")
        assert suggested(run_recon("status", *where, *window)) == suggested(run_recon("status", *where, *window, "-v"))
        assert run_recon("status", *where, *window).stdout.endswith(f"next: recon {named} {again}\n")
    assert CANARY not in done.stdout + shown.stdout
    assert not suggested(run_recon("status", *where, "--to", DATES[1]))
    ran = follow(run_recon, "status", *where, "--from", LAST, "--values", "--atol", 1e-9, "--rtol", 0)
    assert len(ran) == 3
    whole = follow(run_recon, "status", "-d", tables.url, "--calculations-table", "mined btc", "--fleet", "whole")
    assert len(whole) == 1


def test_after_a_dry_run_it_is_the_same_run(tables: Database, run_recon: Run) -> None:
    lack(tables)
    stray(tables)
    for given, same in (
        (("fix",), "fix"),
        (("fix", "5", "--order", "newest"), "fix 5 --order newest"),
        (("fix", "--workers", "auto", "--to", LAST), f"fix --to {LAST} --workers auto"),
        (("range", DATES[1], LAST, "7", "--workers", "3"), f"range {DATES[1]} {LAST} 7 --workers 3"),
        (("date", LAST), f"date {LAST}"),
        (
            ("fix", "--repair", "orphan,missing", "--max-changes", "50%"),
            "fix --repair missing,orphan --yes --max-changes 50%",
        ),
        (("fix", "--repair", "orphan", "--max-changes", "1"), "fix --repair orphan --yes --max-changes 2"),
        (("fix", "--repair", "duplicate"), "fix --repair missing,orphan --dry-run"),
    ):
        done = run_recon(*given, "--dry-run", url=tables.url)
        assert done.stdout.splitlines()[-1] == f"next: recon {same}", done.stdout
    assert tables.count(TABLE) == len(RIGHT) // 4 + 2


def test_a_run_whose_dates_failed_is_resumed_as_it_was_allowed(tables: Database, run_recon: Run) -> None:
    lack(tables)
    double(tables)
    body = "begin if new.settlement_date > '2024-04-21' then raise exception 'closed'; end if; return new; end"
    tables.execute(f"create function closed() returns trigger language plpgsql as $$ {body} $$")
    tables.execute(f"create trigger closed before insert on {TABLE} for each row execute function closed()")
    given = ("fix", "1", "--repair", "missing,wrong", "--yes", "--max-changes", "100%")
    done = run_recon(*given, url=tables.url)
    assert done.returncode == 4
    program, *resume = suggested(done)
    (run_id,) = (run for (run,) in tables.rows("select run_id from recon.runs"))
    assert (program, resume) == ("recon", ["resume", run_id, "--yes", "--max-changes", "100%"])
    tables.execute(f"drop trigger closed on {TABLE}")
    assert len(follow(run_recon, *resume, url=tables.url)) == 1
    assert oracle.stored(tables) == RIGHT


def test_blocked_dates_get_newer_difficulty_once_the_others_are_done(
    tables: Database, run_recon: Run, tmp_path: Path
) -> None:
    lack(tables)
    stray(tables)
    fill(tables, source_rows([BEYOND]))
    update = "difficulty update --live --from https://mempool.space/api/v1/mining/difficulty-adjustments"
    ran = follow(run_recon, "status", public=public_difficulty(tmp_path / "public.json"), url=tables.url)
    assert ran == [
        "status",
        "fix --repair missing,orphan --dry-run",
        "fix --repair missing,orphan --yes",
        update,
        "status",
        "fix",
    ]


def test_a_file_of_difficulty_that_was_given_is_not_updated(tables: Database, run_recon: Run, tmp_path: Path) -> None:
    """Newer figures would go to another file."""
    fill(tables, source_rows([BEYOND]))
    lines = (Path(__file__).parents[2] / "data" / "difficulty.csv").read_text().splitlines(keepends=True)
    given = tmp_path / "mine.csv"
    given.write_text("".join(lines))
    done = run_recon("status", "--difficulty", given, url=tables.url)
    assert (done.returncode, suggested(done)) == (1, None)
    lack(tables)
    assert suggested(run_recon("status", "--difficulty", given, url=tables.url))[-1] == "fix"


def test_what_would_harm_others_is_not_suggested_again(tables: Database, run_recon: Run) -> None:
    stray(tables)
    double(tables)
    tables.execute(f"create table kept (id int references {TABLE} on delete cascade)")
    done = run_recon("status", "--values", url=tables.url)
    shown = run_recon(*suggested(done)[1:], url=tables.url)
    assert suggested(shown) == ["recon", "fix", "--repair", "wrong", "--yes"]
    mended = run_recon(*suggested(shown)[1:], url=tables.url)
    last = run_recon(*suggested(mended)[1:], url=tables.url)
    assert (last.returncode, suggested(last)) == (1, None)
    assert "leave duplicate and orphan out" in last.stdout


def test_what_analyze_says_to_do_is_little_and_its_first_line_mends_all(tables: Database, run_recon: Run) -> None:
    for damage in (lack, double, repeat, stray):
        damage(tables)
    fill(tables, source_rows([BEYOND]))
    found = document(run_recon("analyze", "--values", "--json", url=tables.url), 1)
    commands = [entry["command"] for entry in found["recommendations"]]
    assert commands == [
        "recon fix --repair missing,wrong,duplicate,orphan --dry-run",
        "recon difficulty update --live --from https://mempool.space/api/v1/mining/difficulty-adjustments",
        "recon init --unique-index",
    ]
    assert " ".join(found["next"]) == commands[0]
    shown = run_recon("analyze", "--values", url=tables.url).stdout
    assert all(shown.count(command) == 1 for command in commands), shown
    assert len(found["findings"]) > 5 and shown.count("-> ") < len(found["findings"])
    follow_up = run_recon(*found["next"][1:], url=tables.url)
    assert run_recon(*suggested(follow_up)[1:], url=tables.url).returncode == 4
    left = document(run_recon("analyze", "--values", "--json", url=tables.url), 1)
    assert [entry["command"] for entry in left["recommendations"]] == commands[1:]
    assert run_recon("init", "--unique-index", url=tables.url).returncode == 0
