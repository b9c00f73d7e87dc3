"""The main job on a real server: every row it writes is checked against exact arithmetic."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from recon.core.suggestions import UPDATE_DIFFICULTY
from tests.support import oracle
from tests.support.builders import DAY, MODELS, days, fill, source_rows, write
from tests.support.databases import TABLE, Database
from tests.support.program import Run, document

PUBLISHED = {"S19J_PRO": "75.39206818", "S9": "23.46386401", "M20S": "46.53665311"}
WORKED = {"S19J_PRO": "0.02750185", "S9": "0.00855925", "M20S": "0.01697585"}


def statuses(found: dict[str, Any]) -> dict[str, str]:
    """What became of each date."""
    return {entry["date"]: entry["status"] for entry in found["dates"]}


def ids(database: Database) -> list[tuple]:
    return database.rows(f"select id, calculated_at from {TABLE} order by id")


def published_day(database: Database) -> None:
    """99,864.95 MWh in 4,682 rows of 2,340 keys."""
    database.execute(
        """
        insert into curtailment_records
            (settlement_date, settlement_period, farm_id, volume, payment, original_price, final_price)
        select '2025-03-28', n % 2340 % 48 + 1, 'T_FARM-' || n % 2340 / 48, -99864.95 / 4682, 0, 0, 0
        from generate_series(0, 4681) n
        """
    )


@pytest.mark.parametrize("fleet", ["fractional", "whole"])
def test_the_published_day_is_reproduced(database: Database, run_recon: Run, fleet: str) -> None:
    published_day(database)
    found = document(run_recon("date", "2025-03-28", "--fleet", fleet, "--json", url=database.url))
    assert found["inserted"] == 3 * 2340
    for model, btc in PUBLISHED.items():
        assert abs(Decimal(found["btc"][model]) / Decimal(btc) - 1) < Decimal("5e-6")
    stored = database.rows(f"select miner_model, sum(bitcoin_mined) from {TABLE} group by 1")
    assert dict(stored) == {model: Decimal(btc) for model, btc in found["btc"].items()}
    assert database.rows(f"select distinct difficulty from {TABLE}") == [(Decimal(113757508810854),)]


def test_a_key_worked_out_by_hand_is_stored_to_the_satoshi(database: Database, run_recon: Run) -> None:
    """Summed over its source rows, whatever their sign, and never deduplicated by key."""
    day = date(2025, 4, 3)
    database.add_curtailment((day, 36, "T_NNGAO-2", "-36"), (day, 36, "T_NNGAO-2", "0.42916666666667"))
    document(run_recon("fix", "--json", url=database.url))
    assert oracle.stored(database) == sorted(
        (day, 36, "T_NNGAO-2", model, Decimal(btc), Decimal(113757508810854)) for model, btc in WORKED.items()
    )


def test_every_row_is_the_exact_one_over_the_halving_and_both_clock_changes(database: Database, run_recon: Run) -> None:
    rows = fill(
        database,
        source_rows([*days(date(2024, 4, 18), 4), date(2024, 3, 31)])
        + source_rows([date(2024, 10, 27)], periods=(1, 49, 50))
        + [(DAY, 9, "T_ZERO-1", "0"), (DAY, 9, "T_SIGNS-1", "-5"), (DAY, 9, "T_SIGNS-1", "5")],
    )
    found = document(run_recon("fix", "--json", url=database.url))
    assert oracle.stored(database) == oracle.calculations(rows)
    assert found["reconciled"] is True
    assert found["remaining"] == 0
    zero = database.rows(f"select bitcoin_mined from {TABLE} where farm_id = 'T_ZERO-1'")
    assert zero == [(Decimal(0),)] * 3


def test_whole_machines_are_those_counted_exactly(database: Database, run_recon: Run) -> None:
    rows = fill(database, source_rows(days(DAY, 2)))
    document(run_recon("fix", "--fleet", "whole", "--json", url=database.url))
    stored, exact = oracle.stored(database), oracle.calculations(rows, whole=True)
    assert [row[:4] for row in stored] == [row[:4] for row in exact]
    assert max(abs(mine[4] - theirs[4]) for mine, theirs in zip(stored, exact, strict=True)) <= Decimal("1e-8")
    fractional = oracle.calculations(rows)
    assert all(mine[4] <= theirs[4] for mine, theirs in zip(stored, fractional, strict=True))


class TestTwice:
    def test_the_second_run_writes_nothing_and_leaves_no_trace(self, database: Database, run_recon: Run) -> None:
        fill(database, source_rows(days(DAY, 5)))
        document(run_recon("fix", "--json", url=database.url))
        before = ids(database)
        again = document(run_recon("fix", "--json", url=database.url))
        assert (again["run_id"], again["dates"], again["inserted"]) == (None, [], 0)
        assert again["reconciled"] is True
        assert ids(database) == before
        assert database.count("recon.runs") == 1

    def test_rows_that_are_there_are_left_alone(self, database: Database, run_recon: Run) -> None:
        rows = fill(database, source_rows(days(DAY, 3)))
        right = oracle.calculations(rows)
        wrong = [(*row[:4], "7.5", "1") for row in right[::2]]
        database.add_calculations(*wrong, wrong[0], (DAY, 1, "T_GONE-1", "S9", "0.5", "1"))
        before = ids(database)
        found = document(run_recon("fix", "--json", url=database.url), code=1)
        assert found["inserted"] == len(right) - len(wrong)
        assert found["remaining"] == 0
        assert found["reconciled"] is False
        assert ids(database)[: len(before)] == before
        assert len(oracle.stored(database)) == len(right) + 2

    def test_new_curtailment_is_filled_and_only_that(self, database: Database, run_recon: Run) -> None:
        fill(database, source_rows(days(DAY, 3)))
        document(run_recon("fix", "--json", url=database.url))
        database.add_curtailment((DAY, 5, "T_NEW-1", "-4"))
        found = document(run_recon("fix", "--json", url=database.url))
        assert [(entry["date"], entry["inserted"]) for entry in found["dates"]] == [(DAY.isoformat(), 3)]


class TestBlocked:
    """Dates outside the difficulty's coverage."""

    FUTURE = (date(2026, 7, 1), date(2026, 7, 2))

    def test_they_are_left_alone_and_the_rest_is_done(self, database: Database, run_recon: Run) -> None:
        rows = fill(database, source_rows([DAY, *self.FUTURE, date(2016, 7, 1)]))
        done = run_recon("fix", "--json", url=database.url)
        found = document(done, code=4)
        statuses = {entry["date"]: entry["status"] for entry in found["dates"]}
        assert statuses == {
            "2026-07-02": "blocked",
            "2026-07-01": "blocked",
            "2024-04-20": "done",
            "2016-07-01": "blocked",
        }
        assert found["planned"]["dates"] == 1
        assert oracle.stored(database) == oracle.calculations(row for row in rows if row[0] == DAY)

    def test_one_line_says_how_many_the_first_and_what_to_run(self, database: Database, run_recon: Run) -> None:
        fill(database, source_rows([DAY, *self.FUTURE]))
        done = run_recon("fix", url=database.url)
        run_id = database.scalar("select run_id from recon.runs")
        (line,) = (line for line in done.stderr.splitlines() if "difficulty" in line)
        assert (
            f"2 dates (first 2026-07-01) are blocked: no difficulty is known for these dates; run '{UPDATE_DIFFICULTY}'"
            in line
        )
        assert line.endswith(f"then 'recon resume {run_id}'")

    def test_they_are_done_once_the_difficulty_is_known(
        self, database: Database, run_recon: Run, recon_home: Path
    ) -> None:
        fill(database, source_rows([DAY, *self.FUTURE]))
        run_id = document(run_recon("fix", "--json", url=database.url), code=4)["run_id"]
        write(
            recon_home / "difficulty.csv",
            "# known_through: 2026-07-03\ndate,difficulty\n2024-04-10,86388558925171\n2026-06-29,1500.5",
        )
        found = document(run_recon("resume", run_id, "--json", url=database.url))
        assert found["inserted"] == 3 * 9 * 2
        assert database.rows(f"select distinct difficulty from {TABLE} where settlement_date > '2025-01-01'") == [
            (Decimal("1500.5"),)
        ]

    def test_a_window_with_nothing_else_writes_nothing_at_all(self, database: Database, run_recon: Run) -> None:
        fill(database, source_rows(self.FUTURE))
        found = document(run_recon("fix", "--json", url=database.url), code=4)
        assert (found["inserted"], found["remaining"]) == (0, 54)
        assert database.count("pg_namespace", "nspname = 'recon'") == 0


class TestOptions:
    def test_miner_models_of_a_file_replace_the_packaged_ones(
        self, database: Database, run_recon: Run, tmp_path: Path
    ) -> None:
        miners = write(tmp_path / "m.csv", "miner_model,hashrate_ths,power_w\nX1,200,3500\nX2,100,3500")
        fill(database, [(DAY, 1, "T_A-1", "-5")])
        found = document(run_recon("fix", "--miners", miners, "--json", url=database.url))
        assert found["inserted"] == 2
        assert Decimal(found["btc"]["X1"]) == pytest.approx(2 * Decimal(found["btc"]["X2"]), abs=Decimal("1e-8"))
        assert set(found["btc"]) == {"X1", "X2"}

    def test_difficulty_and_subsidy_of_files_are_used(self, database: Database, run_recon: Run, tmp_path: Path) -> None:
        difficulty = write(tmp_path / "d.csv", 'date,difficulty\n2024-04-12,"1,234,567.25"')
        subsidy = write(tmp_path / "s.csv", "starts_on,subsidy_btc\n2024-01-01,50")
        fill(database, [(DAY, 1, "T_A-1", "-0.000001")])
        document(run_recon("fix", "--difficulty", difficulty, "--subsidy", subsidy, "--json", url=database.url))
        for _, _, _, model, btc, stored in oracle.stored(database):
            assert stored == Decimal("1234567.25")
            assert btc == oracle.satoshis(oracle.bitcoin(Decimal("0.000001"), model, stored, "50"))

    @pytest.mark.parametrize(
        ("order", "first"), [(["--order", "newest"], 2), (["--order", "oldest"], 0), ([], 0)], ids=str
    )
    def test_dates_are_worked_on_in_the_order_asked_for(
        self, database: Database, run_recon: Run, order: list[str], first: int
    ) -> None:
        dates = days(DAY, 3)
        fill(database, source_rows(dates, farms=1, periods=(1,)))
        found = document(run_recon("fix", 1, *order, "--workers", 1, "--json", url=database.url))
        assert [entry["date"] for entry in found["dates"]] == [str(d) for d in (dates if first == 0 else dates[::-1])]
        written = database.rows(f"select settlement_date from {TABLE} group by 1 order by min(id)")
        assert written[0] == (dates[first],)

    def test_a_batch_is_so_many_dates_in_one_transaction(self, database: Database, run_recon: Run) -> None:
        fill(database, source_rows(days(DAY, 5), farms=1, periods=(1,)))
        document(run_recon("fix", 2, "--json", url=database.url))
        assert database.scalar(f"select count(distinct xmin::text) from {TABLE}") == 3

    def test_date_and_range_leave_other_dates_alone(self, database: Database, run_recon: Run) -> None:
        rows = fill(database, source_rows(days(DAY, 4)))
        one = document(run_recon("date", DAY, "--json", url=database.url))
        assert one["window"] == {"first": DAY.isoformat(), "last": DAY.isoformat()}
        two = document(run_recon("range", "2024-04-21", "2024-04-22", 1, "--json", url=database.url))
        assert [entry["date"] for entry in two["dates"]] == ["2024-04-21", "2024-04-22"]
        last = document(run_recon("fix", "--from", "2024-04-30", "--json", url=database.url))
        assert (last["planned"], last["reconciled"]) == ({"dates": 0, "rows": 0}, True)
        assert oracle.stored(database) == oracle.calculations(row for row in rows if row[0] < date(2024, 4, 23))


def test_a_hundred_thousand_rows_in_one_day_are_no_special_case(database: Database, run_recon: Run) -> None:
    database.execute(
        """
        insert into curtailment_records
            (settlement_date, settlement_period, farm_id, volume, payment, original_price, final_price)
        select '2024-04-20', n % 48 + 1, 'T_FARM-' || n % 997, -(n % 700) / 24.0, 0, 0, 0
        from generate_series(1, 100000) n
        """
    )
    keys = database.scalar("select count(distinct (settlement_period, farm_id)) from curtailment_records")
    found = document(run_recon("fix", "--json", url=database.url))
    assert found["inserted"] == 3 * keys == database.count(TABLE)
    mwh = database.scalar("select sum(abs(volume)) from curtailment_records")
    for model in MODELS:
        exact = oracle.bitcoin(mwh, model, oracle.difficulty(DAY), "3.125")
        assert abs(Decimal(found["btc"][model]) - oracle.satoshis(exact)) <= keys * Decimal("0.5e-8") + Decimal("1e-8")


def test_chunks_of_any_size_and_number_of_workers_write_the_same_table(database: Database, run_recon: Run) -> None:
    rows = fill(database, source_rows(days(DAY, 7), seed=5))
    exact = oracle.calculations(rows)
    for batch, workers in ((1, 4), (3, 1), (30, 2), (1, "auto")):
        document(run_recon("fix", batch, "--workers", workers, "--json", url=database.url))
        assert oracle.stored(database) == exact
        database.execute(f"truncate {TABLE}")


def test_a_row_of_our_own_that_a_trigger_changes_is_rolled_back(database: Database, run_recon: Run) -> None:
    """Verification reads back what the server holds; a satoshi is enough."""
    fill(database, source_rows(days(DAY, 2), farms=1, periods=(1,)))
    database.execute(
        "create function round_off() returns trigger language plpgsql as $$ begin"
        " if new.settlement_date = '2024-04-21' and new.miner_model = 'S9' then"
        " new.bitcoin_mined := new.bitcoin_mined + 0.00000001; end if; return new; end $$"
    )
    database.execute(f"create trigger odd before insert on {TABLE} for each row execute function round_off()")
    found = document(run_recon("fix", 1, "--json", url=database.url), code=4)
    assert {entry["date"]: entry["status"] for entry in found["dates"]} == {
        "2024-04-21": "failed",
        "2024-04-20": "done",
    }
    assert database.rows(f"select distinct settlement_date from {TABLE}") == [(DAY,)]
