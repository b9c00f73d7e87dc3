"""`--repair`: what it shows, asks, refuses, changes and keeps; and the way back."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from recon.cli.app import main
from tests.support import oracle
from tests.support.builders import DAY, days, fill, source_rows
from tests.support.databases import TABLE, Database
from tests.support.program import Run, document
from tests.support.terminal import on_a_terminal, plain
from tests.support.wording import facts

DATES = days(DAY, 4)
SOURCE = source_rows(DATES)
RIGHT = oracle.calculations(SOURCE)
OF_DATE = len(RIGHT) // 4
"""27 rows: 3 farms, 3 periods, 3 miner models."""
OTHER = Decimal("108105433845147")
ALL = "missing,wrong,duplicate,orphan"


def of(day: date, farm: str = "T_FARM-0") -> list[tuple]:
    return [row for row in RIGHT if row[0] == day and row[2] == farm]


def where(row: Iterable[Any]) -> str:
    names = ("settlement_date", "settlement_period", "farm_id", "miner_model")
    return " and ".join(f"{name} = '{value}'" for name, value in zip(names, row, strict=False))


def change(database: Database, row: tuple, what: str) -> None:
    database.execute(f"update {TABLE} set {what} where {where(row[:4])}")


@pytest.fixture
def tables(database: Database) -> Database:
    """Four dates, reconciled."""
    fill(database, SOURCE)
    database.add_calculations(*RIGHT)
    return database


@pytest.fixture
def spoiled(tables: Database) -> Database:
    """One stale row on the first date; a duplicate that agrees and one that does not on the second, whose pairs have
    a right row; two of a pair that are both wrong on the third; an orphan and an unknown model on the last; and three
    rows missing there.
    """
    first, second, third, last = (of(day) for day in DATES)
    change(tables, first[0], "bitcoin_mined = 2 * bitcoin_mined")
    tables.add_calculations(second[0], (*second[1][:4], 7, second[1][5]))
    change(tables, third[0], "bitcoin_mined = 0")
    tables.add_calculations((*third[0][:4], -1, third[0][5]))
    for row in last[:3]:
        tables.execute(f"delete from {TABLE} where {where(row[:4])}")
    tables.add_calculations((*last[3][:2], "T_GONE-1", *last[3][3:]), (*last[3][:3], "T17", *last[3][4:]))
    return tables


WIDE = {"COLUMNS": "200"}
CHANGES = Counter(stale=1, duplicate=3, orphan=1, unknown_model=1, negative=0, zero=1)


def quarantined(database: Database) -> Counter[str]:
    return database.quarantined()


def has_ledger(database: Database) -> bool:
    return bool(database.scalar("select to_regnamespace('recon') is not null"))


class TestBeforeAnythingIsChanged:
    def test_a_dry_run_that_found_wrong_values_and_nothing_else_says_so(self, tables: Database, run_recon: Run) -> None:
        repair = ("fix", "--repair", "wrong", "--dry-run", "--json")
        assert document(run_recon(*repair, url=tables.url), code=0)["reconciled"] is True
        change(tables, of(DATES[0])[0], "bitcoin_mined = 2 * bitcoin_mined")
        assert document(run_recon(*repair, url=tables.url), code=1)["reconciled"] is False
        assert run_recon("fix", "--dry-run", url=tables.url).returncode == 0, "nobody asked for values"

    def test_a_dry_run_shows_every_row_and_why(self, spoiled: Database, run_recon: Run) -> None:
        before = spoiled.whole_rows()
        found = document(run_recon("fix", "--repair", ALL, "--dry-run", "--json", url=spoiled.url), code=1)
        assert Counter(row["reason"] for row in found["changes"]) == +CHANGES
        stale = next(row for row in found["changes"] if row["reason"] == "stale")
        wrong = of(DATES[0])[0]
        assert stale == {
            "date": str(DATES[0]),
            "settlement_period": wrong[1],
            "farm_id": wrong[2],
            "miner_model": wrong[3],
            "reason": "stale",
            "cause": "wrong_subsidy",
            "action": "replace",
            "stored_btc": float(2 * wrong[4]),
            "computed_btc": float(wrong[4]),
        }
        assert (found["planned"], found["run_id"]) == ({"dates": 4, "rows": 3}, None)
        shown = run_recon("fix", "--repair", ALL, "--dry-run", url=spoiled.url).stdout
        key = f"{DATES[0]} {wrong[1]} {wrong[2]} {wrong[3]}"
        assert f"  replace {key}: wrong_subsidy, {2 * wrong[4]:.8f} BTC stored, {wrong[4]:.8f} BTC expected\n" in shown
        assert f"  remove {DATES[3]} {of(DATES[3])[3][1]} T_GONE-1 " in shown
        assert shown.splitlines()[-2].endswith("nothing was written")
        assert spoiled.whole_rows() == before and not has_ledger(spoiled)

    def test_where_nobody_can_be_asked_it_takes_yes(self, spoiled: Database, run_recon: Run) -> None:
        before = spoiled.whole_rows()
        options = ("fix", "--repair", ALL)
        what = "7 stored rows would be replaced or removed (each is kept in recon.quarantine)"
        hint = "look at them with --dry-run, then give --yes"
        done = run_recon(*options, url=spoiled.url, input="y\n")
        assert (done.returncode, done.stdout, done.stderr) == (2, "", f"recon: {what}; {hint}\n")
        error = document(run_recon(*options, "--json", url=spoiled.url), code=2)["error"]
        assert error == {"code": "consent", "message": what, "hint": hint}
        assert spoiled.whole_rows() == before and not has_ledger(spoiled)

    def test_a_person_on_a_terminal_is_asked(self, spoiled: Database, environment: dict[str, str]) -> None:
        before = spoiled.whole_rows()
        options = ("-d", spoiled.url, "fix", "--repair", ALL, "--max-changes", "7")
        for typed in ("\n", "\x04"):
            code, shown = on_a_terminal(environment, *options, typed=typed)
            assert code == 2
            assert re.search(r"7 stored rows .*recon\.quarantine.*\[y/N\]", shown)
            assert "Go on? [y/N]" in shown
            assert "nothing was changed" in shown
            assert spoiled.whole_rows() == before and not has_ledger(spoiled)
        code, shown = on_a_terminal(environment, *options, typed="y\n")
        assert code == 0
        assert ": 3 rows written, 2 replaced, 5 removed and verified on 4 dates" in shown
        assert oracle.stored(spoiled) == RIGHT

    def test_a_run_that_would_rewrite_the_table_is_stopped(self, spoiled: Database, run_recon: Run) -> None:
        before = spoiled.whole_rows()
        stored = len(RIGHT) - 3 + 5
        assert before.total() == stored
        spoiled.execute(f"update {TABLE} set bitcoin_mined = 1 where settlement_date = '{DATES[0]}'")
        before = spoiled.whole_rows()
        for limit, shown in ((None, "10%"), ("32", "32")):
            options = ["--max-changes", limit] if limit else []
            done = run_recon("fix", "--repair", ALL, "--yes", *options, url=spoiled.url)
            assert done.returncode == 2
            (line,) = done.stderr.splitlines()
            assert facts(line) == ["33", str(stored), shown, "33"]
            assert "--dry-run" in line and line.endswith("--max-changes 33")
            assert spoiled.whole_rows() == before and not has_ledger(spoiled)
        shown = run_recon("fix", "--repair", ALL, "--dry-run", url=spoiled.url).stdout
        assert re.search(r"--max-changes 10%.* --max-changes 33\b", shown)
        document(run_recon("fix", "--repair", ALL, "--yes", "--max-changes", "33", "--json", url=spoiled.url))
        assert oracle.stored(spoiled) == RIGHT

    @pytest.mark.parametrize(
        ("options", "named"),
        [
            ("--repair broken", "broken"),
            ("--repair ,", "--repair"),
            ("--max-changes many", "'many'"),
            ("--max-changes -1", "-1"),
            ("--rtol 2", "--rtol"),
            ("--atol nan", "--atol"),
        ],
    )
    @pytest.mark.parametrize("command", ["fix", "date 2024-04-20", "range 2024-04-20 2024-04-21", "daily"])
    def test_what_cannot_be_meant_is_refused_before_any_connection(
        self, capsys: pytest.CaptureFixture[str], command: str, options: str, named: str
    ) -> None:
        assert main(["-d", "postgresql://nobody@127.0.0.1:1/x", *command.split(), *options.split()]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert named in line


class TestWhatIsChanged:
    @pytest.mark.parametrize(
        ("command", "day"),
        [
            (f"date {DATES[0]}", DATES[0]),
            (f"range {DATES[1]} {DATES[1]} 1", DATES[1]),
            (f"daily --today {DATES[2]} --days 1", DATES[2]),
            (f"fix --from {DATES[3]} --workers 1", DATES[3]),
        ],
    )
    def test_every_command_that_fills_repairs_its_dates_alone(
        self, spoiled: Database, run_recon: Run, command: str, day: date
    ) -> None:
        others = f"settlement_date <> '{day}'"
        before = spoiled.rows(f"select * from {TABLE} where {others} order by id")
        everything = spoiled.whole_rows()
        options = f"{command} --repair {ALL} --yes --max-changes 20% --json"
        report = document(run_recon(*options.split(), url=spoiled.url))
        assert report["reconciled"] is True
        assert spoiled.rows(f"select * from {TABLE} where {others} order by id") == before
        assert [row for row in oracle.stored(spoiled) if row[0] == day] == [row for row in RIGHT if row[0] == day]
        assert quarantined(spoiled) == everything - spoiled.whole_rows()
        assert report["replaced"] + report["removed"] == quarantined(spoiled).total() > 0
        if command.startswith("daily"):
            assert report["outcomes"] == {str(day): "fixed"}

    def test_a_run_that_failed_goes_on_with_its_repairs(self, spoiled: Database, run_recon: Run) -> None:
        """It asks again: whoever resumes a run may not be the one who agreed to it."""
        before = spoiled.whole_rows()
        refuse = f"begin if old.settlement_date = '{DATES[1]}' then raise 'not now'; end if; return old; end"
        spoiled.execute(f"create function refuse() returns trigger language plpgsql as $$ {refuse} $$")
        spoiled.execute(f"create trigger refuse before delete on {TABLE} for each row execute function refuse()")
        run = ("fix", "--repair", ALL, "--yes", "--json", "--rtol", "1e-5")
        report = document(run_recon(*run, url=spoiled.url), code=4)
        assert {d["date"]: d["status"] for d in report["dates"]} == {
            str(day): "failed" if day == DATES[1] else "done" for day in DATES
        }
        assert spoiled.whole_rows().keys() & {t for t in before if f'"{DATES[1]}"' in t}
        spoiled.execute(f"drop trigger refuse on {TABLE}")
        asked = document(run_recon("resume", "--json", url=spoiled.url), code=2)
        assert (asked["error"]["code"], facts(asked["error"]["message"])[0]) == ("consent", "2")
        resumed = document(run_recon("resume", "--yes", "--json", url=spoiled.url))
        assert (resumed["run_id"], resumed["removed"]) == (report["run_id"], 2)
        assert oracle.stored(spoiled) == RIGHT
        assert quarantined(spoiled) == before - spoiled.whole_rows()
        kept = spoiled.rows("select distinct run_id from recon.quarantine")
        assert kept == [(report["run_id"],)]

    def test_only_what_nothing_asks_for_is_an_orphan(self, tables: Database, run_recon: Run) -> None:
        """Source rows that cannot be priced ask for nothing: correct them, and the key is priced anew."""
        row = of(DATES[0])[0]
        tables.execute("alter table curtailment_records alter volume drop not null")
        tables.add_curtailment((DATES[0], 5, "T_LATER-1", "NaN"), (DATES[0], 60, "T_LATER-1", "-5"))
        gone = [
            (DATES[0], 5, "T_LATER-1", *row[3:]),
            (DATES[0], 60, "T_LATER-1", *row[3:]),
            (DATES[0], 6, "T_LATER-1", *row[3:]),
            (date(2024, 6, 1), 5, "T_LATER-1", *row[3:]),
            (DATES[1], row[1], row[2].lower(), *row[3:]),
            (DATES[0], 5, "T_LATER-1", "T17", *row[4:]),
            (*row[:3], "s19j_pro", *row[4:]),
        ]
        tables.add_calculations(*gone)
        options = ("--repair", "orphan", "--yes", "--max-changes", len(gone), "--json")
        report = document(run_recon("fix", *options, url=tables.url))
        assert (report["removed"], report["replaced"], report["inserted"]) == (7, 0, 0)
        assert oracle.stored(tables) == sorted(RIGHT)
        reasons = tables.rows("select reason, count(*) from recon.quarantine group by 1 order by 1")
        assert reasons == [("orphan", 5), ("unknown_model", 2)]

    def test_of_duplicates_the_one_that_agrees_stays_itself(self, tables: Database, run_recon: Run) -> None:
        one, other = of(DATES[0])[0], of(DATES[0])[1]
        tables.add_calculations((*one[:4], 5, one[5]), (*other[:4], 5, other[5]))
        stays = tables.scalar(f"select min(id) from {TABLE} where {where(one[:4])}")
        change(tables, other, "bitcoin_mined = 9")  # none of the two agrees
        wrong = of(DATES[1])[0]
        change(tables, wrong, "bitcoin_mined = 9")  # alone, and not asked for
        report = document(run_recon("fix", "--repair", "duplicate", "--yes", "--json", url=tables.url))
        assert (report["replaced"], report["removed"], report["inserted"]) == (1, 2, 1)
        assert tables.rows(f"select id from {TABLE} where {where(one[:4])}") == [(stays,)]
        left = [row for row in oracle.stored(tables) if row not in RIGHT]
        assert left == [(*wrong[:4], 9, wrong[5])]

    def test_a_date_without_difficulty_is_left_alone_and_not_announced(self, spoiled: Database, run_recon: Run) -> None:
        late = date(2030, 1, 1)
        spoiled.add_curtailment((late, 1, "T_FARM-0", "-5"))
        spoiled.add_calculations((late, 1, "T_GONE-1", "S9", 1, 1), (late, 1, "T_FARM-0", "T17", 1, 1))
        options = ("fix", "--repair", ALL, "--json")
        planned = document(run_recon(*options, "--dry-run", url=spoiled.url), code=1)
        assert len(planned["changes"]) == 7
        report = document(run_recon(*options, "--yes", url=spoiled.url), code=4)
        assert report["replaced"] + report["removed"] == 7
        assert [row[:4] for row in oracle.stored(spoiled) if row not in RIGHT] == [
            (late, 1, "T_FARM-0", "T17"),
            (late, 1, "T_GONE-1", "S9"),
        ]

    def test_values_that_are_near_enough_are_left_alone(self, tables: Database, run_recon: Run) -> None:
        row = max(RIGHT, key=lambda row: row[4])
        change(tables, row, "bitcoin_mined = bitcoin_mined * 1.00001")
        run = ("--json", "--rtol")
        assert document(run_recon("status", "--values", *run, "2e-5", url=tables.url))["values"]["wrong"] == 0
        found = document(run_recon("analyze", "--values", *run, "5e-6", url=tables.url), code=1)
        assert found["values"]["verdicts"]["stale"] == 1
        assert found["values"]["tolerance"] == {"atol_btc": 1e-08, "rtol": 5e-06}
        command = "recon fix --repair wrong --rtol 5e-06 --dry-run"
        assert command in [advice["command"] for advice in found["recommendations"]]
        options = ("date", row[0], "--repair", "wrong", "--yes", *run)
        assert document(run_recon(*options, "2e-5", url=tables.url))["replaced"] == 0
        assert document(run_recon(*options, "5e-6", url=tables.url))["replaced"] == 1
        assert oracle.stored(tables) == RIGHT

    def test_what_does_not_read_back_as_computed_is_rolled_back(self, database: Database, run_recon: Run) -> None:
        """Two rows exchange a little, so that every sum is right."""
        body = "new.bitcoin_mined := new.bitcoin_mined + (2 - new.settlement_period) * 0.01; return new;"
        right = oracle.calculations(fill(database, [(DAY, period, "T_FARM-0", "-50") for period in (1, 3)]))
        database.add_calculations(*((*row[:4], 7, row[5]) for row in right))
        before = database.whole_rows()
        database.execute(f"create function spoil() returns trigger language plpgsql as $$ begin {body} end $$")
        database.execute(
            f"create trigger spoil before insert or update on {TABLE} for each row execute function spoil()"
        )
        options = ("fix", "--repair", "wrong", "--yes", "--max-changes", "100%", "--json")
        report = document(run_recon(*options, url=database.url), code=4)
        assert (report["inserted"], report["replaced"]) == (0, 0)
        assert re.match(rf"{DAY} 1 T_FARM-0 M20S .*\bstale\b", report["dates"][0]["error"])
        assert database.whole_rows() == before
        assert database.count("recon.quarantine") == 0


class TestTheWayBack:
    @pytest.fixture
    def repaired(self, spoiled: Database, run_recon: Run) -> tuple[Counter[str], str]:
        """The rows before the repair, and the run that repaired them."""
        before = spoiled.whole_rows()
        report = document(run_recon("fix", "--repair", ALL, "--yes", "--json", url=spoiled.url))
        return before, report["run_id"]

    def test_every_row_kept_is_listed_whole_with_reason_run_and_time(
        self, spoiled: Database, run_recon: Run, repaired: tuple[Counter[str], str]
    ) -> None:
        before, run_id = repaired
        rows = document(run_recon("quarantine", "list", run_id, "--json", url=spoiled.url))["rows"]
        assert Counter(row["reason"] for row in rows) == +CHANGES
        held = [json.loads(text) for text in before]
        assert all(row["whole_row"] in held for row in rows)
        assert {row["run_id"] for row in rows} == {run_id} and all(row["quarantined_at"] for row in rows)
        stale = next(row for row in rows if row["reason"] == "stale")
        right = of(DATES[0])[0]
        assert {n: Decimal(v) for n, v in stale["replacement"].items()} == {
            "bitcoin_mined": right[4],
            "difficulty": right[5],
        }
        shown = run_recon("quarantine", "list", run_id, url=spoiled.url).stdout.splitlines()
        assert len(shown) == 1 + 7
        (replaced,) = (line for line in shown if " stale" in line)
        assert f" {2 * right[4]:.8f} " in replaced and f" {right[4]:.8f} " in replaced
        assert sum("removed" in line for line in shown) == len([row for row in rows if row["action"] == "remove"])
        assert all(Decimal(row["old"]["bitcoin_mined"]) == Decimal(row["whole_row"]["bitcoin_mined"]) for row in rows)
        missing = run_recon("quarantine", "list", "nosuchrun", url=spoiled.url)
        assert missing.returncode == 2 and re.fullmatch(r"recon: .* nosuchrun; .*'recon runs'\n", missing.stderr)

    def test_the_quarantine_is_summed_up_per_run(
        self, spoiled: Database, run_recon: Run, repaired: tuple[Counter[str], str]
    ) -> None:
        _, run_id = repaired

        def summed() -> tuple[dict[str, Any], list[str]]:
            (run,) = document(run_recon("quarantine", "list", "--json", url=spoiled.url))["runs"]
            return run, run_recon("quarantine", "list", url=spoiled.url, env=WIDE).stdout.splitlines()

        run, shown = summed()
        assert (run["run_id"], run["rows"], run["reasons"]) == (run_id, 7, dict(+CHANGES))
        assert (run["first_date"], run["restored"], run["restored_by"]) == (str(DATES[0]), 0, [])
        line, *commands = shown[1:]
        assert line.startswith(run_id) and line.split()[-1] == "none" and f"{DATES[0]} to " in line
        assert all(f"{number} {reason}" in line for reason, number in run["reasons"].items())
        for command in commands:
            assert run_recon(*command.partition("'recon ")[2].rstrip("'").split(), url=spoiled.url).returncode == 0
        back = document(run_recon("quarantine", "restore", run_id, "--yes", "--json", url=spoiled.url))["run_id"]
        run, shown = summed()
        assert (run["restored"], run["restored_by"], shown[1].split()[-1]) == (7, [back], "all")
        assert len(shown) == 3, "nothing is left to put back"

    def test_removals_are_said_as_removals(
        self, spoiled: Database, run_recon: Run, repaired: tuple[Counter[str], str]
    ) -> None:
        _, run_id = repaired
        (run,) = document(run_recon("runs", "--json", url=spoiled.url))["runs"]
        written, replaced, removed = run["inserted"] - run["replaced"], run["replaced"], run["removed"]
        assert (replaced, removed) == (2, 5)
        for arguments in (["runs"], ["runs", run_id]):
            head, line, *_ = run_recon(*arguments, url=spoiled.url, env=WIDE).stdout.splitlines()
            assert re.search(r"\bdates done +written +replaced +removed\b", head)
            assert line.split()[4:7] == [str(written), "2", "5"]
        dates = run_recon("runs", run_id, url=spoiled.url).stdout.partition("\n\n")[2].splitlines()
        head, *rows = (line.split() for line in dates)
        for name, total in (("written", written), ("replaced", replaced), ("removed", removed)):
            assert sum(int(row[head.index(name)]) for row in rows) == total

    def test_restoring_brings_back_every_byte_and_the_repair_can_be_made_again(
        self, spoiled: Database, run_recon: Run, repaired: tuple[Counter[str], str]
    ) -> None:
        before, run_id = repaired
        after = spoiled.whole_rows()
        restore = ("quarantine", "restore", run_id)
        dry = run_recon(*restore, "--dry-run", url=spoiled.url)
        assert facts(dry.stdout) == ["7", "4"]
        asked = run_recon(*restore, url=spoiled.url)
        assert (asked.returncode, len(asked.stderr.splitlines())) == (2, 1)
        assert spoiled.whole_rows() == after
        back = document(run_recon(*restore, "--yes", "--json", url=spoiled.url))
        assert (back["restored"], back["removed"], back["notes"]) == (7, 0, [])
        filled = spoiled.whole_rows() - before
        assert before - spoiled.whole_rows() == Counter() and filled.total() == 3
        again = document(run_recon(*restore, "--yes", "--json", url=spoiled.url))
        assert (again["restored"], again["run_id"]) == (0, None)
        undone = run_recon("quarantine", "restore", back["run_id"], "--yes", url=spoiled.url)
        assert (undone.returncode, undone.stdout) == (2, "")
        assert "'recon fix --repair ...'" in undone.stderr
        document(run_recon("fix", "--repair", ALL, "--yes", "--json", url=spoiled.url))
        assert oracle.stored(spoiled) == RIGHT

    def test_rows_that_somebody_changed_since_are_left_alone(
        self, spoiled: Database, run_recon: Run, repaired: tuple[Counter[str], str]
    ) -> None:
        _, run_id = repaired
        change(spoiled, of(DATES[0])[0], "bitcoin_mined = 3")
        touched = f"select * from {TABLE} where settlement_date = '{DATES[0]}' order by id"
        before = spoiled.rows(touched)
        done = run_recon("quarantine", "restore", run_id, "--yes", url=spoiled.url)
        assert done.returncode == 4
        assert re.search(rf"^{DATES[0]} .*\b1 row .*\b{run_id}\b", done.stdout, re.M)
        assert re.search(r"^6 rows ", done.stdout, re.M)
        assert spoiled.rows(touched) == before


class TestWhatIsSaidOfValues:
    def test_every_class_is_counted_per_model_and_date_with_an_example(self, tables: Database, run_recon: Run) -> None:
        first, second, third = (of(day) for day in DATES[:3])
        nan, infinite = third[0], third[1]
        change(tables, nan, "bitcoin_mined = 'NaN'")
        change(tables, infinite, "difficulty = 'Infinity'")
        change(tables, first[2], "bitcoin_mined = -bitcoin_mined")
        change(tables, first[5], "bitcoin_mined = 0")
        for row in second:
            change(tables, row, f"difficulty = {OTHER}")
        wholly = oracle.calculations([row for row in SOURCE if row[0] == DATES[3]], whole=True)
        assert any(row not in RIGHT for row in wholly)
        for row in wholly:
            change(tables, row, f"bitcoin_mined = {row[4]}")
        found = document(run_recon("status", "--values", "--json", url=tables.url), code=1)["values"]
        assert found["whole_dates"] == [str(DATES[3])]
        said = {(d["date"], d["miner_model"], d["verdict"]): d for d in found["dates"] if d["verdict"] != "whole"}
        assert {key: d["rows"] for key, d in said.items()} == {
            (str(DATES[0]), first[2][3], "negative"): 1,
            (str(DATES[0]), first[5][3], "zero"): 1,
            **{(str(DATES[1]), model, "wrong_difficulty"): 3 for model in ("M20S", "S19J_PRO", "S9")},
            **Counter((str(row[0]), row[3], "nan") for row in (nan, infinite)),
        }
        assert said[str(DATES[2]), nan[3], "nan"]["example"] == {
            "settlement_period": nan[1],
            "farm_id": nan[2],
            "stored_btc": "nan",
            "expected_btc": float(nan[4]),
        }
        mixed = {entry["date"]: entry for entry in found["several_difficulties"]}
        assert mixed.keys() == {str(DATES[1]), str(DATES[2])}
        assert (mixed[str(DATES[1])]["difficulties"], mixed[str(DATES[1])]["rows"]) == (2, OF_DATE)
        assert mixed[str(DATES[1])]["by_model"]["S9"] == {
            "difficulties": 2,
            "found": [float(second[0][5]), float(OTHER)],
            "rows": OF_DATE // 3,
            "example": {
                "settlement_period": second[0][1],
                "farm_id": "T_FARM-0",
                "stored_difficulty": float(OTHER),
                "expected_difficulty": float(second[0][5]),
            },
        }
        assert mixed[str(DATES[2])]["by_model"][infinite[3]]["example"]["stored_difficulty"] == "inf"

    def test_a_date_priced_in_whole_machines_is_not_wrong(
        self, tables: Database, run_recon: Run, environment: dict[str, str]
    ) -> None:
        for row in oracle.calculations(SOURCE, whole=True):
            change(tables, row, f"bitcoin_mined = {row[4]}")
        before = oracle.stored(tables)
        code, shown = on_a_terminal(environment, "-d", tables.url, "status", "--values")
        assert code == 0
        assert re.search(rf"^4 dates .*\b{DATES[0]}.* --fleet whole", plain(shown), re.M)
        assert "comparing values" in shown or "dates compared" in shown
        done = document(run_recon("fix", "--repair", ALL, "--yes", "--json", url=tables.url))
        assert (done["run_id"], oracle.stored(tables)) == (None, before)
        piped = run_recon("status", "--values", "--fleet", "whole", url=tables.url)
        assert (piped.returncode, piped.stderr) == (0, "")
        assert "whole" not in piped.stdout
