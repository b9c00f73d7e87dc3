"""Tables that cannot take the rows: refused at the start where that can be seen, else said once and not tried again."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from tests.support import oracle
from tests.support.databases import TABLE, Database
from tests.support.program import Run, document

KEY = "settlement_date, settlement_period, farm_id"
DAY = date(2024, 4, 20)
ROWS = [
    (DAY + timedelta(days=n), period, farm, "-5") for n in (0, 1) for period in (1, 2) for farm in ("T_A-1", "T_B-1")
]


REFUSED = {
    "a unique index without the model": (
        [f"create unique index narrow on {TABLE} ({KEY})"],
        "unique index public.narrow without miner_model",
        "recon init --unique-index",
    ),
    "a unique constraint of one column": (
        [f"alter table {TABLE} add constraint single unique (farm_id)"],
        "unique index public.single without settlement_date, settlement_period, miner_model",
        "widen it",
    ),
    "a generated column": (
        [f"alter table {TABLE} drop difficulty, add difficulty numeric generated always as (1) stored"],
        f"{TABLE}.difficulty is a generated column",
        "DROP EXPRESSION",
    ),
    "a short column": (
        [f"alter table {TABLE} alter miner_model type varchar(4)"],
        f"{TABLE}.miner_model holds 4 characters, and miner model S19J_PRO has 8",
        "TYPE text",
    ),
    "a rule": (
        [f"create rule aside as on insert to {TABLE} do instead nothing"],
        f"{TABLE} has a rule aside",
        "make it a trigger",
    ),
    "a view": (
        [f"alter table {TABLE} rename to behind", f"create view {TABLE} as select * from behind"],
        f"{TABLE} is not a table that can be written to",
        "name the table behind it",
    ),
    "a materialized view": (
        [f"alter table {TABLE} rename to behind", f"create materialized view {TABLE} as select * from behind"],
        f"{TABLE} is not a table that can be written to",
        "name the table behind it",
    ),
}


@pytest.mark.parametrize(("statements", "what", "hint"), REFUSED.values(), ids=REFUSED)
def test_what_no_row_gets_past_is_refused_at_the_start(
    database: Database, run_recon: Run, statements: list[str], what: str, hint: str
) -> None:
    database.add_curtailment(*ROWS)
    for statement in statements:
        database.execute(statement)
    for command in (["fix"], ["minimal", "spot-fix", DAY, 1, "T_A-1"]):
        done = run_recon(*command, url=database.url)
        (line,) = done.stderr.splitlines()
        assert (done.returncode, what in line, hint in line) == (2, True, True), line
    assert database.count("pg_namespace", "nspname = 'recon'") == 0
    assert document(run_recon("status", "--values", "--json", url=database.url), 1)["missing"] == 24


def test_a_narrow_index_is_enough_for_one_miner_model(database: Database, run_recon: Run, tmp_path: Any) -> None:
    database.add_curtailment(*ROWS)
    database.execute(f"create unique index narrow on {TABLE} ({KEY})")
    one = tmp_path / "one.csv"
    one.write_text("miner_model,hashrate_ths,power_w\nS9,13.5,1323\n")
    assert document(run_recon("fix", "--miners", one, "--json", url=database.url))["inserted"] == 8


def test_rules_about_changes_are_in_the_way_of_repairs_only(database: Database, run_recon: Run) -> None:
    database.add_curtailment(*ROWS)
    database.execute(f"create rule kept as on delete to {TABLE} do instead nothing")
    assert document(run_recon("fix", "--json", url=database.url))["inserted"] == 24
    done = run_recon("fix", "--repair", "missing,wrong", "--yes", url=database.url)
    assert (done.returncode, "rule kept" in done.stderr) == (2, True)


class TestAViewOfTheCalculations:
    @pytest.fixture
    def view(self, database: Database, run_recon: Run) -> Database:
        database.add_curtailment(*ROWS)
        document(run_recon("fix", "--json", url=database.url))
        database.execute(
            f"create view shown as select * from {TABLE} union all select * from {TABLE} where farm_id = 'T_A-1'"
        )
        database.execute(f"update {TABLE} set bitcoin_mined = 9 where farm_id = 'T_B-1' and settlement_period = 1")
        return database

    def test_can_be_looked_at_in_every_way(self, view: Database, run_recon: Run, tmp_path: Any) -> None:
        at = ("--calculations-table", "shown")
        for options in ([], ["--deep"], ["--values"]):
            found = document(run_recon("status", *options, *at, "--json", url=view.url), 1)
            assert (found["matched"], found["missing"], found["duplicate"]) == (24, 0, 12)
        assert found["values"]["wrong"] == 6
        assert document(run_recon("verify", *at, "--json", url=view.url))["dates"]
        assert run_recon("explain", DAY, 1, "T_B-1", *at, url=view.url).returncode == 1
        assert run_recon("export", "--out", tmp_path / "out", *at, url=view.url).returncode == 1
        assert document(run_recon("fix", "--dry-run", "--repair", "wrong", *at, "--json", url=view.url), 1)


class TestTablesThatInherit:
    def test_count_and_no_index_of_the_parent_is_a_proof(self, database: Database, run_recon: Run) -> None:
        database.add_curtailment(*ROWS)
        database.add_unique_index()
        document(run_recon("fix", "--json", url=database.url))
        database.execute(f"create table older () inherits ({TABLE})")
        database.execute(f"insert into older select * from only {TABLE} where farm_id = 'T_A-1'")
        for options in ([], ["--values"]):
            found = document(run_recon("status", *options, "--json", url=database.url), 1)
            assert (found["matched"], found["duplicate"]) == (24, 12)
        remove = ("fix", "--repair", "duplicate", "--yes", "--max-changes", "99%", "--json")
        refused = document(run_recon(*remove, url=database.url), 2)["error"]["message"]
        assert "table public.older, which inherits from it" in refused
        assert database.count(TABLE) == 36

    def test_an_index_over_all_of_them_cannot_be_made(self, database: Database, run_recon: Run) -> None:
        database.execute(f"create table older () inherits ({TABLE})")
        done = run_recon("init", "--unique-index", url=database.url)
        assert (done.returncode, "inherit" in done.stderr) == (2, True)


def permanent(database: Database, run_recon: Run, *options: object, code: int = 4) -> tuple[dict[str, Any], str]:
    """A run in which something fails for good: nothing is tried again."""
    done = run_recon("fix", 1, "--workers", 1, "--json", *options, url=database.url, timeout=100)
    assert "trying" not in done.stderr, done.stderr
    return document(done, code), done.stderr


SECOND = DAY + timedelta(days=1)
REFUSE = (
    "create function refuse() returns trigger language plpgsql as $$ begin "
    f"if new.settlement_date = '{SECOND}' then raise exception 'closed for good'; end if; return new; end $$"
)
PASSES_FOR_OTHERS = {
    "a check": (
        [f"alter table {TABLE} add constraint positive check (settlement_date <> '{SECOND}')"],
        "positive",
        "check constraint",
    ),
    "a foreign key": (
        [
            "create table days (day date primary key)",
            f"insert into days values ('{DAY}')",
            f"alter table {TABLE} add constraint known foreign key (settlement_date) references days",
        ],
        f"(settlement_date)=({SECOND}) is not present",
        "add the row it refers to",
    ),
    "an exclusion": (
        [f"alter table {TABLE} add constraint alone exclude (farm_id with =) where (settlement_date = '{SECOND}')"],
        "alone",
        "exclusion constraint",
    ),
    "a unique index of part of the rows": (
        [f"create unique index part on {TABLE} (farm_id) where settlement_date = '{SECOND}'"],
        "(farm_id)=(T_A-1) already exists",
        "a unique index of the table is in the way",
    ),
    "a trigger": (
        [REFUSE, f"create trigger closed before insert on {TABLE} for each row execute function refuse()"],
        "closed for good",
        "a trigger of the table refuses it",
    ),
    "a short farm": (
        [
            f"alter table {TABLE} alter farm_id type varchar(5)",
            "update curtailment_records set farm_id = 'T_LONG-1' where id = 8",
        ],
        "farm_id",
        "TYPE text",
    ),
    "a narrow number": (
        [
            f"alter table {TABLE} alter bitcoin_mined type numeric(9,8)",
            f"update curtailment_records set volume = -500000 where settlement_date = '{SECOND}'",
        ],
        "which numeric(9,8) cannot hold",
        "TYPE numeric",
    ),
}


@pytest.mark.parametrize(("statements", "what", "hint"), PASSES_FOR_OTHERS.values(), ids=PASSES_FOR_OTHERS)
def test_what_one_date_cannot_pass_fails_it_at_once_and_no_other(
    database: Database, run_recon: Run, statements: list[str], what: str, hint: str
) -> None:
    database.add_curtailment(*ROWS)
    for statement in statements:
        database.execute(statement)
    found, _ = permanent(database, run_recon)
    states = {entry["date"]: entry for entry in found["dates"]}
    assert states[str(DAY)]["status"] == "done"
    failed = states[str(SECOND)]
    assert (failed["status"], failed["attempts"]) == ("failed", 1)
    assert what in failed["error"]
    assert hint in failed["error"]
    assert "when the server is back" not in failed["error"]
    assert database.count(TABLE) == 12


def test_a_date_without_a_partition_fails_alone(database: Database, run_recon: Run) -> None:
    database.add_curtailment(*ROWS)
    database.execute(f"drop table {TABLE}")
    database.execute(
        f"create table {TABLE} (id serial, settlement_date date not null, settlement_period int not null, farm_id text "
        "not null, miner_model text not null, bitcoin_mined numeric not null, difficulty numeric not null, "
        "calculated_at timestamp default now()) partition by range (settlement_date)"
    )
    database.execute(f"create table one partition of {TABLE} for values from ('{DAY}') to ('{SECOND}')")
    found, _ = permanent(database, run_recon)
    failed = {entry["date"]: entry["error"] for entry in found["dates"] if entry["error"]}
    assert list(failed) == [str(SECOND)]
    assert "create the partition" in failed[str(SECOND)]
    assert str(SECOND) in failed[str(SECOND)]


def test_a_sequence_at_its_end_ends_the_run_with_its_own_line(database: Database, run_recon: Run) -> None:
    database.add_curtailment(*ROWS)
    database.execute(f"alter sequence {TABLE}_id_seq maxvalue 15")
    done = run_recon("fix", 1, "--workers", 1, url=database.url, timeout=100)
    assert done.returncode == 3
    assert "reached maximum value of sequence" in done.stderr
    assert "let the sequence count further" in done.stderr
    assert "trying" not in done.stderr
    assert database.count(TABLE) == 12
    database.execute(f"alter sequence {TABLE}_id_seq no maxvalue")
    assert document(run_recon("resume", "--json", url=database.url))["reconciled"] is True
    assert oracle.stored(database) == oracle.calculations(ROWS)


def test_a_table_that_goes_while_the_run_lasts_ends_it(database: Database, run_recon: Run) -> None:
    database.add_curtailment(*ROWS)
    database.execute(
        "create function go() returns trigger language plpgsql as "
        "$$ begin insert into gone values (1); return null; end $$"
    )
    database.execute(f"create trigger odd after insert on {TABLE} for each statement execute function go()")
    done = run_recon("fix", 1, "--workers", 1, url=database.url, timeout=100)
    (line,) = [line for line in done.stderr.splitlines() if "gone" in line]
    assert (done.returncode, "trying" in done.stderr) == (3, False)
    assert 'relation "gone" does not exist; a table has gone meanwhile' in line
    assert database.count("recon.runs", "status = 'failed'") == 1


def test_a_rivals_row_is_still_waited_for(database: Database, run_recon: Run) -> None:
    """A key of ours that is there by the time it is written: the next attempt sees it and leaves it."""
    database.add_curtailment((DAY, 1, "T_A-1", "-5"))
    database.add_unique_index()
    database.execute("create sequence tries")
    database.execute(
        "create function rival() returns trigger language plpgsql as $$ begin if nextval('tries') = 1 then "
        "raise unique_violation using message = 'duplicate', detail = 'Key (settlement_date, settlement_period, "
        "farm_id, miner_model)=(x) already exists.'; end if; return null; end $$"
    )
    database.execute(f"create trigger odd before insert on {TABLE} for each statement execute function rival()")
    (entry,) = document(run_recon("fix", "--json", url=database.url))["dates"]
    assert (entry["status"], entry["attempts"]) == ("done", 2)


@pytest.mark.parametrize(
    ("state", "hint"),
    [
        ("25006", "it is a standby, or set to read-only"),
        ("42703", "a column has gone meanwhile"),
    ],
)
def test_what_no_date_can_escape_ends_the_run(database: Database, run_recon: Run, state: str, hint: str) -> None:
    database.add_curtailment(*ROWS)
    database.execute(
        "create function trouble() returns trigger language plpgsql as "
        f"$$ begin raise exception 'it is so' using errcode = '{state}'; end $$"
    )
    database.execute(f"create trigger odd before insert on {TABLE} for each statement execute function trouble()")
    done = run_recon("fix", 1, "--workers", 1, url=database.url, timeout=100)
    (line,) = [line for line in done.stderr.splitlines() if "it is so" in line]
    assert (done.returncode, hint in line) == (3, True), line
    assert "trying" not in done.stderr
    assert "when the server is back" not in line
