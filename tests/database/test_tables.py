"""The two tables as users have them: other names, types, partitions; and what does not fit, named."""

from __future__ import annotations

import pytest

from tests.support import oracle
from tests.support.builders import DAY, days, source_rows
from tests.support.databases import CURTAILMENT, TABLE, Database
from tests.support.program import Run, document

ROWS = source_rows(days(DAY, 3))
EXACT = oracle.calculations(ROWS)


def filled_and_reconciled(run_recon: Run, database: Database, *options: object) -> None:
    """The whole job, before and after which status and analyze know the table."""
    empty = document(run_recon("status", *options, "--json", url=database.url), code=1)
    assert (empty["missing"], empty["matched"]) == (len(EXACT), 0)
    found = document(run_recon("fix", *options, "--json", url=database.url))
    assert (found["inserted"], found["reconciled"]) == (len(EXACT), True)
    after = document(run_recon("analyze", "--deep", *options, "--json", url=database.url))
    assert (after["matched"], after["worst_dates"]) == (len(EXACT), [])


TYPES = {
    "float8": [
        f"alter table {CURTAILMENT} alter volume type float8",
        f"alter table {TABLE} alter bitcoin_mined type float8, alter difficulty type float8",
    ],
    "numeric(20,8)": [
        f"alter table {TABLE} alter bitcoin_mined type numeric(20,8), alter difficulty type numeric(25,2)"
    ],
    "varchar": [
        f"alter table {CURTAILMENT} alter farm_id type varchar(40)",
        f"alter table {TABLE} alter farm_id type varchar(40), alter miner_model type varchar(20)",
    ],
    "smallint": [f"alter table {name} alter settlement_period type int2" for name in (CURTAILMENT, TABLE)],
    "bigint": [
        f"alter table {CURTAILMENT} alter settlement_period type int8, alter volume type float4",
        f"alter table {TABLE} alter settlement_period type int8, alter id type int8",
    ],
    "domains": [
        "create domain farm as text check (value <> '')",
        "create domain btc as numeric(30,8)",
        f"alter table {TABLE} alter farm_id type farm, alter bitcoin_mined type btc",
    ],
    "a unique index": [
        f"create unique index one on {TABLE} (settlement_date, settlement_period, farm_id, miner_model)"
    ],
    "a unique index in another order": [
        f"create unique index one on {TABLE} (miner_model, farm_id, settlement_period, settlement_date)"
    ],
    "identity columns": [f"alter table {TABLE} alter id drop default, alter id add generated always as identity"],
}


@pytest.mark.parametrize("statements", TYPES.values(), ids=TYPES)
def test_columns_of_any_fit_type_hold_the_exact_values(
    database: Database, run_recon: Run, statements: list[str]
) -> None:
    for statement in statements:
        database.execute(statement)
    database.add_curtailment(*ROWS)
    found = document(run_recon("fix", "--json", url=database.url))
    assert found["inserted"] == len(EXACT)
    stored = oracle.stored(database)
    assert [row[:4] for row in stored] == [row[:4] for row in EXACT]
    if "float4" not in str(statements):
        assert stored == EXACT
    again = document(run_recon("fix", "--json", url=database.url))
    assert (again["inserted"], again["reconciled"]) == (0, True)


def partition(database: Database, table: str) -> None:
    """The same table, declaratively partitioned by month."""
    database.execute(f"alter table {table} rename to plain")
    columns = "like plain including defaults"
    database.execute(f"create table {table} ({columns}) partition by range (settlement_date)")
    for first, last in (("2024-04-01", "2024-04-22"), ("2024-04-22", "2024-05-01")):
        name = f"{table}_{first.replace('-', '_')}"
        database.execute(f"create table {name} partition of {table} for values from ('{first}') to ('{last}')")
    database.execute(f"alter sequence {table}_id_seq owned by {table}.id")
    database.execute("drop table plain")


def test_partitioned_tables_are_filled_through_their_parent(database: Database, run_recon: Run) -> None:
    for table in (CURTAILMENT, TABLE):
        partition(database, table)
    database.add_curtailment(*ROWS)
    filled_and_reconciled(run_recon, database)
    assert oracle.stored(database) == EXACT
    assert document(run_recon("init", "--unique-index", "--json", url=database.url))["unique_index"]["created"]
    database.execute(f"delete from {TABLE} where settlement_date = '{DAY}'")
    assert document(run_recon("fix", "--json", url=database.url))["inserted"] == len(EXACT) // 3


def test_a_partition_that_is_missing_fails_its_dates_and_says_so(database: Database, run_recon: Run) -> None:
    partition(database, TABLE)
    database.execute(f"drop table {TABLE}_2024_04_22")
    database.add_curtailment(*ROWS)
    found = document(run_recon("fix", "--json", url=database.url), code=4)
    statuses = {entry["date"]: entry["status"] for entry in found["dates"]}
    assert statuses == {"2024-04-22": "failed", "2024-04-21": "done", "2024-04-20": "done"}
    assert "no partition of relation" in found["dates"][2]["error"]


def test_tables_and_columns_of_any_name_in_any_schema(database: Database, run_recon: Run) -> None:
    odd = '"My Schema"."calc; drop table x --"'
    database.execute('create schema "My Schema"')
    database.execute("create schema power")
    database.execute(f"alter table {CURTAILMENT} set schema power")
    database.execute(f'alter table {TABLE} rename to "calc; drop table x --"')
    database.execute('alter table "calc; drop table x --" set schema "My Schema"')
    database.execute('alter table power.curtailment_records rename volume to "Volume MWh"')
    database.execute(f'alter table {odd} rename bitcoin_mined to "BTC ""mined"""')
    database.execute(f"alter table {odd} rename farm_id to bmu")
    database.execute('alter table power.curtailment_records rename settlement_date to "select"')
    values = ", ".join(f"('{d}', {p}, '{f}', {v}, 0, 0, 0)" for d, p, f, v in ROWS)
    database.execute(
        'insert into power.curtailment_records ("select", settlement_period, farm_id, "Volume MWh", payment,'
        f" original_price, final_price) values {values}"
    )
    filled_and_reconciled(
        run_recon,
        database,
        *("--curtailment-table", "power.curtailment_records"),
        *("--curtailment-columns", "volume=Volume MWh,settlement_date=select"),
        *("--calculations-table", odd),
        *("--calculations-columns", 'bitcoin_mined=BTC "mined", farm_id=bmu'),
    )
    stored = database.rows(
        f'select settlement_date, settlement_period, bmu, miner_model, "BTC ""mined""", difficulty from {odd}'
    )
    assert sorted(stored) == EXACT


def test_names_without_a_schema_are_found_as_the_role_finds_them(database: Database, run_recon: Run) -> None:
    database.execute("create schema power")
    for table in (CURTAILMENT, TABLE):
        database.execute(f"alter table {table} set schema power")
    database.execute(f'alter database "{database.name}" set search_path = power')
    database.disconnect()
    database.add_curtailment(*ROWS)
    filled_and_reconciled(run_recon, database)


def test_the_curtailment_may_be_a_view(database: Database, run_recon: Run) -> None:
    database.add_curtailment(*ROWS)
    database.execute(f"create view seen as select * from {CURTAILMENT}")
    filled_and_reconciled(run_recon, database, "--curtailment-table", "seen")


UNFIT = {
    "no table": ([f"drop table {TABLE}"], (f"no table {TABLE}", "--calculations-table")),
    "no source": ([f"drop table {CURTAILMENT}"], (f"no table {CURTAILMENT}", "--curtailment-table")),
    "no column": (
        [f"alter table {TABLE} drop difficulty"],
        (f"{TABLE} has no column difficulty", "numeric or float8", "--calculations-columns difficulty=NAME"),
    ),
    "no volume": (
        [f"alter table {CURTAILMENT} rename volume to mwh"],
        (f"{CURTAILMENT} has no column volume", "--curtailment-columns volume=NAME", "mwh"),
    ),
    "text volumes": (
        [f"alter table {CURTAILMENT} alter volume type text"],
        (f"{CURTAILMENT}.volume is text, expected numeric or float8",),
    ),
    "text bitcoin": (
        [f"alter table {TABLE} alter bitcoin_mined type text"],
        (f"{TABLE}.bitcoin_mined is text, expected numeric with at least 8 decimals, or float8",),
    ),
    "few decimals": (
        [f"alter table {TABLE} alter bitcoin_mined type numeric(20,6)"],
        ("bitcoin_mined is numeric(20,6), expected numeric with at least 8 decimals",),
    ),
    "whole hundreds": (
        [f"alter table {TABLE} alter bitcoin_mined type numeric(20,-2)"],
        ("bitcoin_mined is numeric(20,-2), expected numeric with at least 8 decimals",),
    ),
    "a timestamp": (
        [f"alter table {CURTAILMENT} alter settlement_date type timestamp"],
        ("settlement_date is timestamp without time zone, expected date",),
    ),
    "a numeric period": (
        [f"alter table {TABLE} alter settlement_period type numeric"],
        ("settlement_period is numeric, expected integer",),
    ),
    "an integer farm": (
        [f"alter table {CURTAILMENT} drop farm_id, add farm_id integer"],
        ("farm_id is integer, expected text",),
    ),
}


@pytest.mark.parametrize(("statements", "words"), UNFIT.values(), ids=UNFIT)
def test_what_does_not_fit_is_named_with_what_was_expected(
    database: Database, run_recon: Run, statements: list[str], words: tuple[str, ...]
) -> None:
    for statement in statements:
        database.execute(statement)
    done = run_recon("status", url=database.url)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert not [word for word in words if word not in line], line


def test_a_column_that_recon_cannot_fill_is_named_before_anything_is_written(
    database: Database, run_recon: Run
) -> None:
    database.add_curtailment(*ROWS)
    database.execute(f"alter table {TABLE} add tenant text not null")
    done = run_recon("fix", url=database.url)
    assert done.returncode == 2
    assert "needs a value in tenant" in done.stderr
    assert database.count("pg_namespace", "nspname = 'recon'") == 0


@pytest.mark.parametrize("name", ["a.b.c.d", '"open', "", "a..b"])
def test_a_name_that_cannot_be_a_tables_is_refused_without_a_server(run_recon: Run, name: str) -> None:
    done = run_recon("status", "--calculations-table", name or ".", url="postgresql://nobody@127.0.0.1:1/none")
    assert done.returncode == 2
    assert "is not a table name" in done.stderr
