"""What counts is what the table holds, whatever triggers, constraints and other people make of what is written."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import recon
from recon.postgres.tables import Tables
from recon.reconcile import cell_survey
from recon.reconcile import chunk as load
from tests.support import oracle
from tests.support.builders import DAY, MODELS, days, fill, source_rows
from tests.support.databases import TABLE, Database
from tests.support.program import Run, document


def plant(database: Database, when: str, body: str, *, each: str = "row", constraint: str = "") -> None:
    """A trigger on the calculations."""
    database.execute(f"create function meddle() returns trigger language plpgsql as $$ begin {body} end $$")
    kind, late = ("constraint ", constraint) if constraint else ("", "")
    database.execute(f"create {kind}trigger meddle {when} on {TABLE} {late} for each {each} execute function meddle()")


MEDDLING = {
    "a name in lower case": ("before insert", "new.farm_id := lower(new.farm_id); return new;"),
    "another period": ("before insert", "new.settlement_period := new.settlement_period + 1; return new;"),
    "another date": ("before insert", "new.settlement_date := new.settlement_date - 1; return new;"),
    "another model": ("before insert", "new.miner_model := 'T17'; return new;"),
    "a row swallowed": (
        "before insert",
        "if new.farm_id = 'T_FARM-1' and new.settlement_period = 24 then return null; end if; return new;",
    ),
    "one satoshi": ("before insert", "new.bitcoin_mined := new.bitcoin_mined + 0.00000001; return new;"),
    "a difficulty": ("before insert", "new.difficulty := new.difficulty + 1; return new;"),
    "a value afterwards": (
        "after insert",
        f"update {TABLE} set bitcoin_mined = 0 where id = new.id and new.farm_id = 'T_FARM-2'; return null;",
    ),
    "a row more": (
        "after insert",
        (
            f"if pg_trigger_depth() < 2 and new.settlement_period = 1 then insert into {TABLE} (settlement_date, "
            "settlement_period, farm_id, miner_model, bitcoin_mined, difficulty) values (new.settlement_date, 2, "
            "new.farm_id, new.miner_model, 0, 1); end if; return null;"
        ),
    ),
    "values exchanged within a date": (
        "before insert",
        (
            "new.bitcoin_mined := new.bitcoin_mined + case new.settlement_period when 1 then 0.01 when 24 then -0.01 "
            "else 0 end; return new;"
        ),
    ),
}


@pytest.mark.parametrize("what", MEDDLING)
def test_a_trigger_that_changes_what_is_written_is_found_and_nothing_is_kept(
    database: Database, run_recon: Run, what: str
) -> None:
    fill(database, source_rows([DAY]))
    plant(database, *MEDDLING[what])
    report = document(run_recon("fix", "--json", url=database.url), 4)
    assert [entry["status"] for entry in report["dates"]] == ["failed"]
    assert "the table holds" in report["dates"][0]["error"]
    assert (report["reconciled"], report["inserted"], database.count(TABLE)) == (False, 0, 0)


def test_a_trigger_that_deletes_at_commit_has_its_say_before(database: Database, run_recon: Run) -> None:
    fill(database, source_rows([DAY]))
    body = f"delete from {TABLE} where id = new.id and new.farm_id = 'T_FARM-0'; return null;"
    plant(database, "after insert", body, constraint="deferrable initially deferred")
    report = document(run_recon("fix", "--json", url=database.url), 4)
    assert "the table holds" in report["dates"][0]["error"]
    assert (report["reconciled"], database.count(TABLE)) == (False, 0)


def test_a_constraint_that_is_checked_at_commit_is_met_before(database: Database, run_recon: Run) -> None:
    fill(database, source_rows([DAY]))
    database.execute("create table farms (farm_id text primary key)")
    database.execute("insert into farms values ('T_FARM-0'), ('T_FARM-1')")
    references = "foreign key (farm_id) references farms deferrable initially deferred"
    database.execute(f"alter table {TABLE} add constraint known_farm {references}")
    report = document(run_recon("fix", "--json", url=database.url), 4)
    assert "known_farm" in report["dates"][0]["error"]
    assert database.count(TABLE) == 0


def test_an_audit_trigger_with_an_exception_block_is_no_obstacle(database: Database, run_recon: Run) -> None:
    """Rows of a subtransaction do not carry the transaction's own number."""
    rows = fill(database, source_rows(days(DAY, 2)))
    database.execute("create table audit (note text)")
    body = "begin insert into audit values (new.farm_id); exception when others then null; end; return new;"
    plant(database, "before insert", body)
    assert document(run_recon("fix", "--json", url=database.url), 0)["reconciled"] is True
    assert oracle.stored(database) == oracle.calculations(rows)


@pytest.mark.parametrize("unique", [False, True])
def test_a_date_that_keeps_what_is_surplus_is_still_filled(database: Database, run_recon: Run, unique: bool) -> None:
    right = oracle.calculations(fill(database, source_rows(days(DAY, 2))))
    if unique:
        database.add_unique_index()
    twice = [] if unique else [right[0]]
    stray = [(DAY, 3, "T_GONE-1", "S9", "0.5", "1"), (DAY, 1, "T_FARM-0", "T17", "NaN", "1")]
    database.add_calculations(right[0], *twice, *stray)
    report = document(run_recon("fix", "--json", url=database.url), 1)
    assert (report["inserted"], report["remaining"]) == (len(right) - 1, 0)
    held = Counter(row[:4] for row in oracle.stored(database))
    assert held == Counter(row[:4] for row in [*right, *twice, *stray])
    status = document(run_recon("status", "--json", url=database.url), 1)
    assert (status["missing"], status["duplicate"], status["orphan"]) == (0, len(twice), 2)


@pytest.mark.parametrize(
    ("period", "right", "fake"), [(12, "T_WF030-1", "T_FAKE-06065iXw>wf<W)gYD")], ids=["found in milliseconds"]
)
def test_a_key_made_to_share_an_unseeded_hash_with_another_is_told_from_it(
    database: Database, run_recon: Run, period: int, right: str, fake: str
) -> None:
    same = f"select hashtextextended('{right}', {period}) = hashtextextended('{fake}', {period})"
    assert database.scalar(same) is True
    rows = oracle.calculations(fill(database, [(DAY, period, right, "-5")]))
    database.add_calculations(*((*row[:2], fake, *row[3:]) for row in rows))
    for options in ((), ("--values",), ("--deep",)):
        status = document(run_recon("status", *options, "--json", url=database.url), 1)
        assert (status["missing"], status["orphan"], status["reconciled"]) == (3, 3, False)
    report = document(run_recon("fix", "--json", url=database.url), 1)
    assert (report["inserted"], report["reconciled"]) == (3, False)


TYPES = {
    "numeric(12,8), numeric(20,2)": ("numeric(12,8)", "numeric(20,2)"),
    "numeric(30,10), numeric(20,0)": ("numeric(30,10)", "numeric(20,0)"),
    "numeric(30,8), numeric(18,-2)": ("numeric(30,8)", "numeric(18,-2)"),
    "float8": ("float8", "float8"),
}


@pytest.mark.parametrize("types", TYPES)
def test_values_are_verified_as_the_columns_hold_them(database: Database, run_recon: Run, types: str) -> None:
    fill(database, source_rows(days(DAY, 2)))
    for column, kind in zip(("bitcoin_mined", "difficulty"), TYPES[types], strict=True):
        database.execute(f"alter table {TABLE} alter column {column} type {kind}")
    assert document(run_recon("fix", "--json", url=database.url), 0)["reconciled"] is True
    assert document(run_recon("status", "--values", "--json", url=database.url), 0)["values"]["agree"] is True


class TestADateLargerThanAChunk:
    """Is worked on by settlement periods, in its one transaction."""

    @pytest.fixture(autouse=True)
    def small_chunks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(load, "CHUNK_ROWS", 20)
        monkeypatch.setattr(cell_survey, "LARGE_ROWS", 20)

    @pytest.mark.parametrize("fleet", ["fractional", "whole"])
    def test_it_is_filled_with_the_same_rows(self, database: Database, fleet: str) -> None:
        rows = fill(database, source_rows(days(DAY, 2), periods=range(1, 11)))
        database.add_curtailment((DAY, 51, "T_FARM-0", "-5"), (DAY, 0, "T_FARM-0", "-5"))
        database.add_calculations((DAY, 51, "T_FARM-0", "S9", "1", "1"))
        report = recon.fix(database_url=database.url, fleet=fleet)
        assert (report.after.total("missing"), report.after.total("orphan")) == (0, 1)
        exact = oracle.calculations(rows, whole=fleet == "whole")
        stored = [row for row in oracle.stored(database) if row[1] != 51]
        assert [row[:4] for row in stored] == [row[:4] for row in exact]
        if fleet == "fractional":
            assert stored == exact

    def test_it_commits_as_a_whole_or_not_at_all(self, database: Database) -> None:
        fill(database, source_rows([DAY], periods=range(1, 11)))
        plant(database, "before insert", "if new.settlement_period = 9 then return null; end if; return new;")
        report = recon.fix(database_url=database.url)
        assert [result.status for result in report.results] == ["failed"]
        assert database.count(TABLE) == 0

    def test_a_source_that_changes_between_its_parts_is_noticed(
        self, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        rows = fill(database, source_rows([DAY], periods=range(1, 11)))
        read, late = Tables.done_hashes, [(DAY, 1, "T_LATE-1", "-7")]

        def and_meanwhile(*asked: Any) -> Any:
            if late:
                fill(database, [late.pop()])
            return read(*asked)

        monkeypatch.setattr(Tables, "done_hashes", and_meanwhile)
        report = recon.fix(database_url=database.url)
        assert (report.results[0].status, report.results[0].attempts) == ("done", 2)
        assert oracle.stored(database) == oracle.calculations([*rows, (DAY, 1, "T_LATE-1", "-7")])


class TestRowsWithoutADate:
    """Null, infinite, before the year 1 or after 9999: in no window of dates, and yet in the table."""

    DATES = ("infinity", "-infinity", "0044-03-15 BC", "12000-01-01")

    @pytest.fixture
    def undated(self, database: Database) -> Database:
        right = oracle.calculations(fill(database, source_rows([DAY])))
        database.add_calculations(*right)
        for table in ("curtailment_records", TABLE):
            database.execute(f"alter table {table} alter settlement_date drop not null")
        database.add_curtailment(*((day, 1, "T_FARM-0", "-5") for day in (*self.DATES, None)))
        database.add_calculations(
            *((day, 1, "T_FARM-0", model, 1, 1) for day in (*self.DATES, None) for model in MODELS)
        )
        return database

    @pytest.mark.parametrize("options", [(), ("--values",), ("--deep",)])
    def test_they_are_invalid_and_orphans(self, undated: Database, run_recon: Run, options: tuple[str, ...]) -> None:
        status = document(run_recon("status", *options, "--json", url=undated.url), 1)
        assert (status["invalid"], status["orphan"], status["missing"], status["reconciled"]) == (5, 15, 0, False)
        assert status["undated"] == {"source": 5, "stored": 15}

    @pytest.mark.parametrize(
        ("window", "invalid", "orphan"),
        [
            (("--from", str(DAY)), 2, 6),
            (("--to", str(DAY)), 2, 6),
            (("--from", str(DAY), "--to", str(DAY)), 0, 0),
        ],
        ids=["open to the future", "open to the past", "closed"],
    )
    def test_they_belong_to_windows_that_are_open_on_their_side(
        self, undated: Database, run_recon: Run, window: tuple[str, ...], invalid: int, orphan: int
    ) -> None:
        status = document(run_recon("status", *window, "--json", url=undated.url), 1 if orphan else 0)
        assert (status["invalid"], status["orphan"]) == (invalid, orphan)

    def test_the_terminal_says_so(self, undated: Database, run_recon: Run) -> None:
        done = run_recon("status", url=undated.url)
        assert "5 source rows cannot be priced" in done.stderr
        assert "15 orphan, 15 of them without a date" in done.stdout

    def test_an_export_beside_them_is_not_called_reconciled(
        self, undated: Database, run_recon: Run, tmp_path: Path
    ) -> None:
        done = run_recon("export", "--out", tmp_path / "slice", url=undated.url)
        assert (done.returncode, done.stdout.splitlines()[-1]) == (
            1,
            "not reconciled: 0 missing, 0 duplicate, 15 orphan, 15 of them without a date, 0 wrong",
        )

    REPAIR = ("fix", "--repair", "orphan", "--yes", "--max-changes", "100%", "--json")

    def test_a_repair_of_orphans_removes_them_and_a_restore_puts_them_back(
        self, undated: Database, run_recon: Run
    ) -> None:
        before = undated.rows(f"select c::text from {TABLE} c order by 1")
        dry = document(run_recon(*self.REPAIR, "--dry-run", url=undated.url), 1)
        assert (dry["undated"], dry["removed"]) == (15, 0)
        done = document(run_recon(*self.REPAIR, url=undated.url), 0)
        assert (done["undated"], done["removed"], done["reconciled"]) == (15, 15, True)
        assert oracle.stored(undated) == oracle.calculations(source_rows([DAY]))
        document(run_recon("status", "--json", url=undated.url), 0)
        back = document(run_recon("quarantine", "restore", done["run_id"], "--yes", "--json", url=undated.url), 0)
        assert back["restored"] == 15
        assert undated.rows(f"select c::text from {TABLE} c order by 1") == before

    def test_only_where_the_window_is_open_on_their_side(self, undated: Database, run_recon: Run) -> None:
        done = document(run_recon(*self.REPAIR, "--from", str(DAY), url=undated.url), 0)
        assert (done["undated"], undated.count(TABLE, "settlement_date > '9999-12-31'")) == (6, 0)
        assert undated.count(TABLE, "settlement_date is null or settlement_date < '0001-01-01'") == 9

    def test_they_count_as_changes(self, undated: Database, run_recon: Run) -> None:
        refused = run_recon(*self.REPAIR[:-2], "14", "--json", url=undated.url)
        assert document(refused, 2)["error"]["code"] == "max_changes"
        assert undated.count(TABLE, "settlement_date is null") == 3

    def test_they_stay_where_others_would_lose_something(self, undated: Database, run_recon: Run) -> None:
        undated.execute(f"create table payouts (calc_id int references {TABLE} (id) on delete cascade)")
        refused = document(run_recon(*self.REPAIR, url=undated.url), 2)
        assert "payouts" in refused["error"]["message"]
        assert undated.count(TABLE, "settlement_date is null") == 3

    def test_a_table_that_keeps_them_is_said(self, undated: Database, run_recon: Run) -> None:
        plant(undated, "before delete", "return null;")
        done = run_recon(*self.REPAIR, url=undated.url)
        assert (document(done, 4)["reconciled"], undated.count(TABLE, "settlement_date is null")) == (False, 3)

    @pytest.mark.parametrize(
        "command", ["analyze", "fix", "report --out r.html", "verify", "daily --today 2024-04-20", "diagnose"]
    )
    def test_every_command_lives_with_them(self, undated: Database, run_recon: Run, command: str) -> None:
        done = run_recon(*command.split(), url=undated.url)
        assert done.returncode in (0, 1), done.stderr
