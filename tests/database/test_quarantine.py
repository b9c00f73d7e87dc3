"""The quarantine keeps rows exactly, of every type and whatever columns are called, and knows their table again."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from tests.support import oracle
from tests.support.builders import DAY, days, fill, source_rows
from tests.support.databases import TABLE, Database
from tests.support.program import Run, document

DATES = days(DAY, 2)
SOURCE = source_rows(DATES)
RIGHT = oracle.calculations(SOURCE)
REPAIR = ("fix", "--repair", "wrong,duplicate,orphan", "--yes", "--json")
TYPES = (
    "create type pair as (a text, b integer)",
    "create type mood as enum ('fine', 'so, so')",
    "create domain short as varchar(5) check (value <> 'no')",
    "create function lied(mood) returns text language sql as $$ select 'a lie' $$",
    "create cast (mood as text) with function lied(mood) as assignment",
)
COLUMNS = {
    # whatever our own statements call things
    **{name: ("text", f"'{name} it is'") for name in ("t", "s", "c", "q", "v", "k", "d", "r", "row_id", "whole", "n")},
    **dict.fromkeys(("now", "kept", "reason", "action", "key", "value", "btc", "whole_row", "id_2"), ("text", "null")),
    'odd "name" {here} \\ there': ("text", "'x'"),
    "json_": ("json", """'{"a": 1,  "a": 2, "z": "\\u0000"}'"""),
    "json_null": ("jsonb", "'null'"),
    "jsonb_": ("jsonb", """'{"a": [1, null, 1.50]}'"""),
    "bounds": ("integer[]", "'[0:1]={7,8}'"),
    "texts": ("text[]", """array['a,b', 'c"d\\', null, 'null', '']"""),
    "negative_zero": ("float8", "'-0'"),
    "thirds": ("float8", "1.0::float8 / 3"),
    "single": ("float4", "'1.1'"),
    "not_a_number": ("numeric", "'NaN'"),
    "endless": ("numeric", "'Infinity'"),
    "scale": ("numeric", "'1.500'"),
    "money_": ("money", "'12.34'"),
    "bits": ("bit(3)", "B'101'"),
    "bytes": ("bytea", "'\\x00ff5c'"),
    "for_ever": ("timestamptz", "'infinity'"),
    "before": ("timestamp", "'-infinity'"),
    "long_ago": ("date", "'0044-03-15 BC'"),
    "month": ("interval", "'-1 mons +2 days -00:00:01.5'"),
    "range": ("numrange", "'[1.50,)'"),
    "ranges": ("datemultirange", "'{[2024-01-01,2024-02-01),[2025-01-01,)}'"),
    "composite": ("pair", """row('a "quoted", \\ text', null)"""),
    "empty_composite": ("pair", "row(null, null)"),
    "composites": ("pair[]", "array[row('x,y', 1)::pair, null]"),
    "mood": ("mood", "'so, so'"),
    "short": ("short", "'ab'"),
    "padded": ("char(5)", "'ab'"),
    "one": ('"char"', "'x'"),
    "table_": ("regclass", "'pg_class'"),
    "net": ("inet", "'10.0.0.1'"),
    "point_": ("point", "'(1.5,-0)'"),
    "words": ("tsvector", """'''it''s'':1 b:2A'"""),
    "lines": ("text", "E'two\\nlines\\\\ \\'quoted\\' \"twice\", (all) {of} it é'"),
    "empty": ("text", "''"),
    "doubled": ("integer generated always as (settlement_period * 2) stored", None),
}


@pytest.fixture
def tables(database: Database) -> Database:
    """Two dates with a stale row, a duplicate, and an orphan, in a table with a column of every kind."""
    fill(database, SOURCE)
    for statement in TYPES:
        database.execute(statement)
    quoted = {name: '"' + name.replace('"', '""') + '"' for name in COLUMNS}
    database.execute(f"alter table {TABLE} add gone text")
    kinds = ", ".join(f"add {quoted[name]} {kind}" for name, (kind, _) in COLUMNS.items())
    database.execute(f"alter table {TABLE} {kinds}, add always bigint generated always as identity")
    database.add_calculations(*RIGHT, RIGHT[3], (DAY, 1, "T_GONE-1", "S9", "1.500", "7.0"))
    given = ", ".join(f"{quoted[name]} = {value}" for name, (_, value) in COLUMNS.items() if value)
    database.execute(f"alter table {TABLE} drop gone")
    database.execute(f"update {TABLE} set {given}")
    database.execute(f"update {TABLE} set bitcoin_mined = '0.500' where id = 1")
    return database


def repaired(database: Database, run_recon: Run, *options: str) -> str:
    report = document(run_recon(*REPAIR, *options, url=database.url))
    assert (report["replaced"], report["removed"]) == (1, 2)
    assert oracle.stored(database) == RIGHT
    return str(report["run_id"])


def restore(database: Database, run_recon: Run, run_id: str, *options: str, url: str | None = None) -> Any:
    return run_recon("quarantine", "restore", run_id, "--yes", *options, url=url or database.url)


@pytest.mark.parametrize(
    "style", ["", "set datestyle = 'SQL, DMY'; set intervalstyle = sql_standard; set xmloption = document"]
)
def test_rows_come_back_equal_whatever_their_types_and_whatever_columns_are_called(
    tables: Database, run_recon: Run, style: str
) -> None:
    before = tables.whole_rows()
    for setting in filter(None, style.split("; ")):
        tables.execute(f"alter database {tables.name} {setting}")
    run_id = repaired(tables, run_recon)
    assert tables.quarantined() == before - tables.whole_rows()
    done = document(restore(tables, run_recon, run_id, "--json"))
    assert (done["restored"], done["notes"]) == (3, [])
    assert tables.whole_rows() == before


def test_what_our_own_server_does_not_have_comes_back_equal_elsewhere(
    debian_database: Database, run_recon: Run
) -> None:
    """XML (fragments, too, whatever the role is set to) and an extension's type."""
    debian_database.execute("create extension hstore")
    fill(debian_database, SOURCE)
    tags = """'a=>1, b=>NULL, "c d"=>"e\\"f"'"""
    debian_database.execute(f"alter table {TABLE} add tags hstore default {tags}, add x xml default '<a>1</a><b/>'")
    debian_database.add_calculations(*RIGHT, (DAY, 1, "T_GONE-1", "S9", "1", "7"))
    debian_database.execute(f"alter database {debian_database.name} set xmloption = document")
    before = debian_database.whole_rows()
    run_id = document(run_recon(*REPAIR, url=debian_database.url))["run_id"]
    assert document(restore(debian_database, run_recon, run_id, "--json"))["restored"] == 1
    assert debian_database.whole_rows() == before


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("rename jsonb_ to other", "has no column jsonb_ any more"),
        ("drop jsonb_", "has no column jsonb_ any more"),
        ("alter scale type numeric(10, 1)", "scale is numeric(10,1) now, it was numeric"),
    ],
)
def test_what_cannot_come_back_equal_is_refused_before_anything_is_changed(
    tables: Database, run_recon: Run, change: str, why: str
) -> None:
    run_id = repaired(tables, run_recon)
    for part in change.split("; "):
        tables.execute(f"alter table {TABLE} {part}")
    after = tables.whole_rows()
    for options in (("--dry-run",), ()):
        done = restore(tables, run_recon, run_id, *options)
        assert (done.returncode, done.stdout) == (2, ""), done.stderr
        assert "3 rows cannot come back as they were: public." in done.stderr
        assert why in done.stderr
    assert tables.whole_rows() == after
    assert tables.count("recon.runs") == 1


def test_a_column_added_since_gets_its_default_and_that_is_said(tables: Database, run_recon: Run) -> None:
    run_id = repaired(tables, run_recon)
    tables.execute(f"alter table {TABLE} add colour text default 'blue', add size integer")
    done = restore(tables, run_recon, run_id)
    assert done.returncode == 0, done.stderr
    assert f"note: public.{TABLE}.colour was added since: rows that were removed get its default" in done.stdout
    assert tables.rows(f"select distinct colour, size from {TABLE}") == [("blue", None)]
    assert tables.count(TABLE) == len(RIGHT) + 2


def test_a_column_added_since_that_needs_a_value_is_refused(tables: Database, run_recon: Run) -> None:
    run_id = repaired(tables, run_recon)
    tables.execute(f"alter table {TABLE} add needed integer not null default 1")
    tables.execute(f"alter table {TABLE} alter needed drop default")
    after = tables.whole_rows()
    for options in (("--dry-run",), ()):
        done = restore(tables, run_recon, run_id, *options)
        assert (done.returncode, done.stdout) == (2, "")
        assert "needed" in done.stderr and "give" in done.stderr
    assert tables.whole_rows() == after


def test_what_a_trigger_would_rewrite_is_left_alone(tables: Database, run_recon: Run) -> None:
    run_id = repaired(tables, run_recon)
    after = tables.whole_rows()
    body = "begin new.lines := upper(new.lines); return new; end"
    tables.execute(f"create function loud() returns trigger language plpgsql as $$ {body} $$")
    tables.execute(f"create trigger loud before insert on {TABLE} for each row execute function loud()")
    done = restore(tables, run_recon, run_id)
    assert done.returncode == 4
    assert f"would not be as they were in public.{TABLE}.lines" in done.stdout
    assert tables.whole_rows() == after


def test_a_row_that_was_changed_in_any_column_is_left_alone(tables: Database, run_recon: Run) -> None:
    run_id = repaired(tables, run_recon)
    tables.execute(f"update {TABLE} set lines = 'mine' where id = 1")
    after = tables.whole_rows()
    done = restore(tables, run_recon, run_id)
    assert (done.returncode, "1 row of run" in done.stdout) == (4, True)
    assert tables.whole_rows() == after


@pytest.mark.parametrize("null", ["farm_id", "settlement_period", "miner_model"])
def test_a_row_without_a_key_is_removed_and_comes_back(database: Database, run_recon: Run, null: str) -> None:
    fill(database, SOURCE)
    database.execute(f"alter table {TABLE} alter {null} drop not null")
    database.add_calculations(*RIGHT)
    database.add_calculations((DAY, 1, "T_GONE-1", "S9", 1, 1))
    database.execute(f"update {TABLE} set {null} = null where farm_id = 'T_GONE-1'")
    before = database.whole_rows()
    report = document(run_recon(*REPAIR, url=database.url))
    assert (report["removed"], oracle.stored(database)) == (1, RIGHT)
    assert run_recon("quarantine", "list", url=database.url).returncode == 0
    document(restore(database, run_recon, report["run_id"], "--json"))
    assert database.whole_rows() == before


class TestItsTable:
    @pytest.fixture
    def repaired_run(self, tables: Database, run_recon: Run) -> tuple[str, Any]:
        """A run of the table, and the rows before it; another schema has a table of the same name, which is empty."""
        before = tables.whole_rows()
        run_id = repaired(tables, run_recon)
        tables.execute("create schema other")
        tables.execute(f"create table other.{TABLE} (like public.{TABLE} including all)")
        return run_id, before

    @pytest.mark.parametrize("typed", [f"public.{TABLE}", f'"public"."{TABLE}"', TABLE])
    def test_is_known_however_it_is_typed(
        self, tables: Database, run_recon: Run, repaired_run: tuple[str, Any], typed: str
    ) -> None:
        run_id, before = repaired_run
        done = document(restore(tables, run_recon, run_id, "--calculations-table", typed, "--json"))
        assert (done["restored"], tables.whole_rows()) == (3, before)

    def test_is_not_another_of_the_name(self, tables: Database, run_recon: Run, repaired_run: tuple[str, Any]) -> None:
        run_id, before = repaired_run
        after = tables.whole_rows()
        path = f"{tables.url}?options={quote('-c search_path=other,public')}"
        for options in ({"url": path}, {}):
            named = () if options else ("--calculations-table", f"other.{TABLE}")
            done = restore(tables, run_recon, run_id, *named, **options)
            assert (done.returncode, done.stdout) == (2, "")
            assert f"took 3 rows out of public.{TABLE}, not out of other.{TABLE}" in done.stderr
        assert (tables.whole_rows(), tables.count(f"other.{TABLE}")) == (after, 0)
        done = document(
            restore(tables, run_recon, run_id, "--calculations-table", f"public.{TABLE}", "--json", url=path)
        )
        assert (done["restored"], tables.whole_rows()) == (3, before)

    def test_is_known_when_it_was_renamed(
        self, tables: Database, run_recon: Run, repaired_run: tuple[str, Any]
    ) -> None:
        run_id, before = repaired_run
        tables.execute(f"alter table {TABLE} rename to renamed")
        done = document(restore(tables, run_recon, run_id, "--calculations-table", "renamed", "--json"))
        assert (done["restored"], tables.whole_rows("renamed")) == (3, before)

    def test_is_known_in_a_copy_of_the_database(
        self, tables: Database, run_recon: Run, repaired_run: tuple[str, Any]
    ) -> None:
        run_id, before = repaired_run
        tables.disconnect()
        copy = Database(
            tables.server, f"{tables.name}_copy", tables.server.create_database(f"{tables.name}_copy", tables.name)
        )
        try:
            done = document(restore(copy, run_recon, run_id, "--json"))
            assert (done["restored"], done["notes"], copy.whole_rows()) == (3, [], before)
        finally:
            copy.drop()


def test_a_restore_that_the_server_ends_is_recorded_as_failed(tables: Database, run_recon: Run) -> None:
    run_id = repaired(tables, run_recon)
    tables.execute(
        "create function refuse() returns trigger language plpgsql as "
        "$$ begin raise exception 'not today' using errcode = 'insufficient_privilege'; end $$"
    )
    tables.execute(f"create trigger refuse before insert on {TABLE} for each row execute function refuse()")
    done = restore(tables, run_recon, run_id, "--json")
    assert "not today" in done.stdout
    assert done.returncode == 3
    assert tables.rows("select status from recon.runs where command = 'quarantine restore'") == [("failed",)]
