"""What a repair may do to rows that others refer to, and how much: in place, refused, bounded, and never in silence."""

from __future__ import annotations

import json
import re

import pytest

from tests.support import oracle
from tests.support.builders import DAY, days, fill, source_rows
from tests.support.databases import TABLE, Database
from tests.support.program import Run, document
from tests.support.roles import WRITER, role_url

DATES = days(DAY, 4)
SOURCE = source_rows(DATES)
RIGHT = oracle.calculations(SOURCE)
STALE = ("fix", "--repair", "wrong", "--yes", "--json")
EVERYTHING = ("fix", "--repair", "missing,wrong,duplicate,orphan")
PAYOUTS = "create table payouts (calc_id integer references historical_bitcoin_calculations (id) {}, paid numeric)"


DANGERS = {
    "cascade": PAYOUTS.format("on delete cascade"),
    "set null": PAYOUTS.format("on delete set null"),
    "set default": PAYOUTS.format("on delete set default"),
    "composite": (
        f"create table payouts (a date, b integer, foreign key (a, b) references {TABLE} (settlement_date, id)"
        " on delete cascade)"
    ),
    "itself": f"alter table {TABLE} add before_it integer references {TABLE} (id) on delete set null",
    "rule": f"create rule gone as on delete to {TABLE} do also delete from curtailment_records",
    "inherits": f"create table child (more text) inherits ({TABLE})",
}
"""What makes a removal cost others something."""


@pytest.fixture
def tables(database: Database) -> Database:
    """Four dates, reconciled."""
    fill(database, SOURCE)
    database.add_calculations(*RIGHT)
    return database


def spoil(database: Database, number: int = 1) -> list[int]:
    """Makes some rows stale: their ids."""
    ids = [row_id for (row_id,) in database.rows(f"select id from {TABLE} where bitcoin_mined > 0 order by id")][
        :number
    ]
    database.execute(
        f"update {TABLE} set bitcoin_mined = bitcoin_mined * 2 + 1 where id in ({', '.join(map(str, ids))})"
    )
    return ids


def others(database: Database) -> list[tuple]:
    """Ids and whatever else a repair of values leaves alone."""
    return database.rows(
        f"select id, calculated_at, settlement_date, settlement_period, farm_id from {TABLE} order by id"
    )


class TestInPlace:
    @pytest.mark.parametrize("reaction", ["", "on delete cascade", "on delete set null", "on delete set default"])
    def test_a_stale_row_and_what_refers_to_it_stay_and_come_back(
        self, tables: Database, run_recon: Run, reaction: str
    ) -> None:
        tables.execute(PAYOUTS.format(reaction))
        (stale,) = spoil(tables)
        tables.execute(f"insert into payouts values ({stale}, 5), ({stale + 1}, 6)")
        before, kept, paid = tables.whole_rows(), others(tables), tables.rows("select * from payouts order by 1")
        report = document(run_recon(*STALE, url=tables.url))
        assert (report["replaced"], report["removed"], report["reconciled"]) == (1, 0, True)
        assert set(report["btc"].values()) > {"0.00000000"}
        assert oracle.stored(tables) == RIGHT
        assert (others(tables), tables.rows("select * from payouts order by 1")) == (kept, paid)
        assert tables.quarantined() == before - tables.whole_rows()
        back = document(run_recon("quarantine", "restore", report["run_id"], "--yes", "--json", url=tables.url))
        assert (back["restored"], back["removed"]) == (1, 0)
        assert tables.whole_rows() == before
        assert tables.rows("select * from payouts order by 1") == paid

    def test_in_partitions_and_under_a_unique_index(self, tables: Database, run_recon: Run) -> None:
        tables.execute(f"alter table {TABLE} rename to plain")
        tables.execute(f"create table {TABLE} (like plain including defaults) partition by range (settlement_date)")
        tables.execute(f"create table p1 partition of {TABLE} for values from (minvalue) to ('{DATES[1]}')")
        tables.execute("create table p2 (note text, like plain including defaults)")
        tables.execute("alter table p2 drop column note")
        tables.execute(f"alter table {TABLE} attach partition p2 default")
        tables.execute(f"insert into {TABLE} select * from plain")
        tables.add_unique_index()
        spoil(tables, 3)
        before = tables.whole_rows()
        report = document(run_recon(*STALE, "--max-changes", "10", url=tables.url))
        assert (report["replaced"], oracle.stored(tables)) == (3, RIGHT)
        document(run_recon("quarantine", "restore", report["run_id"], "--yes", "--json", url=tables.url))
        assert tables.whole_rows() == before

    def test_rows_beside_a_stale_one_that_are_as_wrong_get_its_values_and_stay(
        self, tables: Database, run_recon: Run
    ) -> None:
        (stale,) = spoil(tables)
        tables.execute(
            f"insert into {TABLE} (settlement_date, settlement_period, farm_id, miner_model, bitcoin_mined, difficulty)"
            f" select settlement_date, settlement_period, farm_id, miner_model, 9, 9 from {TABLE} where id = {stale}"
        )
        ids = [row[0] for row in others(tables)]
        report = document(run_recon(*STALE, url=tables.url), code=1)
        assert (report["replaced"], report["removed"]) == (2, 0)
        assert [row[0] for row in others(tables)] == ids
        assert sorted(set(oracle.stored(tables))) == RIGHT
        removed = document(run_recon("fix", "--repair", "duplicate", "--yes", "--json", url=tables.url))
        assert (removed["replaced"], removed["removed"], oracle.stored(tables)) == (0, 1, RIGHT)

    def test_a_column_that_a_trigger_keeps_is_the_triggers(self, tables: Database, run_recon: Run) -> None:
        tables.execute(f"alter table {TABLE} add updated_at timestamptz default '2020-01-01 00:00+00'")
        body = "begin new.updated_at := clock_timestamp(); return new; end"
        tables.execute(f"create function touch() returns trigger language plpgsql as $$ {body} $$")
        tables.execute(f"create trigger touch before update on {TABLE} for each row execute function touch()")
        (stale,) = spoil(tables)
        before = tables.rows(f"select bitcoin_mined from {TABLE} where id = {stale}")
        report = document(run_recon(*STALE, url=tables.url))
        document(run_recon("quarantine", "restore", report["run_id"], "--yes", "--json", url=tables.url))
        assert tables.rows(f"select bitcoin_mined from {TABLE} where id = {stale}") == before


class TestRemovals:
    @pytest.mark.parametrize("danger", DANGERS)
    def test_are_refused_where_others_would_lose_something_and_the_dry_run_says_so(
        self, tables: Database, run_recon: Run, danger: str
    ) -> None:
        if danger == "composite":
            tables.execute(f"create unique index on {TABLE} (settlement_date, id)")
        tables.execute(DANGERS[danger])
        tables.add_calculations((DAY, 1, "T_GONE-1", "S9", 1, 1))
        before = tables.whole_rows()
        shown = run_recon(*EVERYTHING, "--dry-run", url=tables.url)
        assert shown.returncode == 1 and re.search("^1 row would be removed, ", shown.stdout, re.M)
        done = run_recon(*EVERYTHING, "--yes", url=tables.url)
        assert (done.returncode, done.stdout) == (2, ""), done.stderr
        assert re.search("^recon: 1 row would be removed, .*--repair", done.stderr)
        assert tables.whole_rows() == before
        spoil(tables)
        assert document(run_recon(*STALE, url=tables.url), code=1)["replaced"] == 1

    def test_go_on_where_nothing_can_be_lost(self, tables: Database, run_recon: Run) -> None:
        tables.execute(PAYOUTS.format("on delete cascade"))
        assert document(run_recon(*EVERYTHING, "--yes", "--json", url=tables.url))["run_id"] is None
        tables.execute("drop table payouts")
        tables.execute(PAYOUTS.format(""))  # the server itself refuses to remove what is referred to
        tables.add_calculations((DAY, 1, "T_GONE-1", "S9", 1, 1), (DAY, 2, "T_GONE-1", "S9", 1, 1))
        tables.execute(f"insert into payouts select max(id), 1 from {TABLE}")
        failed = run_recon(*EVERYTHING, "--yes", url=tables.url)
        assert failed.returncode == 4 and "violates foreign key constraint" in failed.stderr
        assert "reconciled: " not in failed.stdout.replace("not reconciled: ", "")
        tables.execute("delete from payouts")
        assert document(run_recon(*EVERYTHING, "--yes", "--json", url=tables.url))["removed"] == 2


class TestFailures:
    @pytest.mark.parametrize(
        "obstacle",
        [
            "create trigger no before update on {} for each row execute function keep()",
            "create trigger no after update on {} for each row execute function spoil()",
        ],
    )
    def test_a_repair_that_the_table_does_not_take_is_never_called_reconciled(
        self, tables: Database, run_recon: Run, obstacle: str
    ) -> None:
        tables.execute("create function keep() returns trigger language plpgsql as 'begin return null; end'")
        again = f"update {TABLE} set bitcoin_mined = 7 where id = new.id and bitcoin_mined <> 7; return null;"
        tables.execute(f"create function spoil() returns trigger language plpgsql as $$ begin {again} end $$")
        spoil(tables)
        tables.execute(obstacle.format(TABLE))
        before = tables.whole_rows()
        done = run_recon("fix", "--repair", "wrong", "--yes", url=tables.url)
        assert done.returncode == 4, done.stdout + done.stderr
        assert "not reconciled" in done.stdout
        assert document(run_recon(*STALE, url=tables.url), code=4)["reconciled"] is False
        assert tables.whole_rows() == before
        assert tables.count("recon.quarantine") == 0

    def test_a_role_that_may_not_update_is_told_the_grant_before_anything(
        self, tables: Database, run_recon: Run
    ) -> None:
        spoil(tables)
        url = role_url(tables, "recon", WRITER) if tables.rows("select to_regnamespace('recon')") == [] else tables.url
        assert run_recon("init", url=url).returncode == 0
        url = role_url(tables, "recon", WRITER)
        done = run_recon(*STALE, url=url)
        hint = document(done, code=3)["error"]["hint"]
        assert hint == f'ask its owner for: GRANT UPDATE ON public.{TABLE} TO "recon_{tables.name}"'
        columns = f'grant update (bitcoin_mined, difficulty) on {TABLE} to "recon_{tables.name}"'
        tables.execute(columns)
        assert document(run_recon(*STALE, url=url))["replaced"] == 1
        refused = document(run_recon("fix", "--repair", "orphan", "--yes", "--json", url=url), code=3)
        assert "GRANT DELETE ON" in refused["error"]["hint"]


class TestHowMuch:
    def test_what_a_run_changes_is_bounded_though_its_source_is_emptied_meanwhile(
        self, tables: Database, run_recon: Run
    ) -> None:
        """One orphan a date is planned; when the first date is written, the application takes all curtailment away."""
        tables.add_calculations(*((day, 1, "T_GONE-1", "S9", 1, 1) for day in DATES))
        tables.execute(
            "create function emptied() returns trigger language plpgsql as"
            " $$ begin delete from curtailment_records where settlement_date > old.settlement_date; return old; end $$"
        )
        tables.execute(f"create trigger emptied before delete on {TABLE} for each row execute function emptied()")
        before = tables.count(TABLE)
        run = ("fix", "1", "--workers", "1", "--order", "oldest", "--repair", "orphan", "--yes")
        done = run_recon(*run, url=tables.url)
        assert done.returncode == 4, done.stdout + done.stderr
        assert tables.count(TABLE) == before - 1
        assert re.search(r"\b3 dates \(first 2024-04-21\) left alone: 1 stored rows? .*\b28 more ", done.stderr)
        assert "recon resume" in done.stderr and "not reconciled" in done.stdout
        (run_id,) = (row[0] for row in tables.rows("select run_id from recon.runs"))
        refused = run_recon("resume", url=tables.url)
        assert (refused.returncode, tables.count(TABLE)) == (2, before - 1)
        assert re.search(r"\b85 of 111 stored rows .* --max-changes", refused.stderr)
        dates = json.loads(run_recon("runs", run_id, "--json", url=tables.url).stdout)["dates"]
        assert [entry["status"] for entry in dates] == ["done", "pending", "pending", "pending"]
        report = document(run_recon("resume", "--max-changes", "85", "--yes", "--json", url=tables.url))
        assert (report["removed"], tables.rows("select changed, max_changes from recon.runs")) == (84, [(85, 85)])

    def test_a_run_that_nobody_was_asked_about_changes_no_row(self, tables: Database, run_recon: Run) -> None:
        tables.execute(f"delete from {TABLE} where settlement_date = '{DATES[0]}'")
        add = (
            f"insert into public.{TABLE} "
            "(settlement_date, settlement_period, farm_id, miner_model, bitcoin_mined, difficulty)"
        )
        row = f"{add} values ('{DATES[0]}', 1, 'T_GONE-1', 'S9', 1, 1)"
        body = f"begin {row}; return new; end"
        assert run_recon("init", url=tables.url).returncode == 0
        tables.execute(f"create function rival() returns trigger language plpgsql as $$ {body} $$")
        tables.execute("create trigger rival after insert on recon.runs for each row execute function rival()")
        done = run_recon("fix", "--repair", "missing,orphan", url=tables.url)
        assert done.returncode == 4 and re.search(r"\b0 stored rows .*\b1 more .*\b0\b", done.stderr)
        assert tables.count(TABLE, "farm_id = 'T_GONE-1'") == 1


class TestResume:
    def test_a_line_that_somebody_planted_does_nothing(self, tables: Database, run_recon: Run) -> None:
        """Whoever may write the ledger may not have others' rows removed by it."""
        tables.execute(f"create table precious as select * from {TABLE}")
        tables.execute("update precious set farm_id = farm_id || 'x'")
        assert run_recon("fix", "--repair", "missing", url=tables.url).returncode == 0
        spoil(tables)
        document(run_recon(*STALE, "--max-changes", "0", url=tables.url), code=2)
        document(run_recon(*STALE, url=tables.url))
        for change in (
            """ || '{"repairs": ["orphan"], "relations": {"calculations": "public.precious"}}'""",
            """ || '{"repairs": ["orphan"], "relations": null}' || jsonb_build_object('calculations',
                jsonb_set(parameters -> 'calculations', '{name}', '"precious"'))""",
        ):
            tables.execute(
                "insert into recon.runs (run_id, command, code_version, status, parameters)"
                f" select 'planted', command, code_version, 'running', parameters {change} from recon.runs"
            )
            tables.execute(
                "insert into recon.run_dates (run_id, settlement_date, position, status, expected, missing)"
                f" values ('planted', '{DAY}', 0, 'pending', 27, 0)"
            )
            done = run_recon("resume", "planted", "--yes", url=tables.url)
            assert (done.returncode, done.stdout) == (2, ""), done.stderr
            assert "recon: run planted is of table " in done.stderr
            tables.execute("delete from recon.runs where run_id = 'planted'")
        assert tables.count("precious") == len(RIGHT)

    def test_dates_beyond_the_window_are_no_plan(self, tables: Database, run_recon: Run) -> None:
        spoil(tables)
        report = document(run_recon(*STALE, url=tables.url))
        tables.execute(
            f"insert into recon.run_dates (run_id, settlement_date, position, status, expected, missing)"
            f" values ('{report['run_id']}', '2030-01-01', 9, 'pending', 27, 0)"
        )
        tables.execute(
            'update recon.runs set parameters = parameters || \'{"window": {"first": null, "last": "2024-12-31"}}\''
        )
        done = run_recon("resume", report["run_id"], "--yes", url=tables.url)
        assert (done.returncode, done.stdout) == (2, "")
        assert "not in its window" in done.stderr
