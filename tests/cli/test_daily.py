"""`recon daily`: what every night comes to, one instance at a time, without a terminal."""

from __future__ import annotations

import json
import re
import signal
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from recon.core.suggestions import UPDATE_DIFFICULTY
from tests.support import oracle
from tests.support.builders import days, fill, source_rows
from tests.support.databases import TABLE, Database
from tests.support.program import Run, Start, document
from tests.support.servers import wait_until
from tests.support.wording import facts

AUTUMN = date(2024, 10, 27)
"""The clocks went back: 50 settlement periods."""
GATE = 4714
WAITING = "select count(*) from pg_locks where locktype = 'advisory' and objsubid = 1 and not granted"


def outcomes(done: Any, code: int) -> dict[str, str]:
    assert done.returncode == code, done.stdout + done.stderr
    found: dict[str, str] = json.loads(done.stdout)["outcomes"]
    return found


def refuse(database: Database, day: date) -> None:
    """Nothing can be written for this date; the server's message has two lines."""
    database.execute(
        "create function refuse() returns trigger language plpgsql as $$ begin"
        " raise exception E'not this date\\nsays the trigger' using errcode = 'check_violation'; end $$"
    )
    database.execute(
        f"create trigger refuse before insert on {TABLE} for each row when (new.settlement_date = '{day}')"
        " execute function refuse()"
    )


def test_the_day_after_the_clocks_went_back_all_fifty_periods_are_checked(database: Database, run_recon: Run) -> None:
    rows = fill(database, source_rows([AUTUMN], farms=2, periods=range(1, 51)))
    arguments = ("daily", "--today", "2024-10-28", "--json")
    assert outcomes(run_recon(*arguments, url=database.url), 0) == {
        "2024-10-28": "nothing_expected",
        "2024-10-27": "fixed",
    }
    assert oracle.stored(database) == oracle.calculations(rows)
    assert database.scalar(f"select count(distinct settlement_period) from {TABLE}") == 50
    database.execute(f"delete from {TABLE} where settlement_period = 50 and miner_model = 'S9'")
    assert outcomes(run_recon(*arguments, url=database.url), 0)["2024-10-27"] == "fixed"
    before = database.rows(f"select * from {TABLE} order by id")
    assert outcomes(run_recon(*arguments, url=database.url), 0)["2024-10-27"] == "fully_reconciled"
    assert database.rows(f"select * from {TABLE} order by id") == before
    assert database.count("recon.runs") == 2, "a night with nothing to do is no run"


def test_every_date_has_its_outcome_and_the_log_ends_with_the_nights(
    database: Database, run_recon: Run, tmp_path: Path
) -> None:
    """From the oldest: complete, missing, missing with a duplicate besides, and one that cannot be written."""
    complete, missing, twice, refused, tomorrow = days(AUTUMN, 5)
    rows = fill(database, source_rows([complete, missing, twice, refused, tomorrow]))
    exact = oracle.calculations(row for row in rows if row[0] != tomorrow)
    database.add_calculations(*(row for row in exact if row[0] == complete))
    database.add_calculations(*[row for row in exact if row[0] == twice][:1] * 2)
    refuse(database, refused)
    arguments = ("daily", "--today", refused, "--days", 4)
    done = run_recon(*arguments, "--json", url=database.url)
    assert outcomes(done, 4) == {
        str(refused): "failed",
        str(twice): "partial",
        str(missing): "fixed",
        str(complete): "fully_reconciled",
    }
    assert json.loads(done.stdout)["window"] == {"first": str(complete), "last": str(refused)}
    extra = next(row for row in exact if row[0] == twice)
    wanted = sorted([*(row for row in exact if row[0] != refused), extra])
    assert sorted(oracle.stored(database)) == wanted, "tomorrow is left alone"

    log = tmp_path / "daily.log"
    shown = run_recon(*arguments, "--log-file", log, url=database.url)
    assert shown.returncode == 4
    assert shown.stdout.splitlines()[:4] == [
        f"{refused} failed",
        f"{twice} partial",
        f"{missing} fully_reconciled",
        f"{complete} fully_reconciled",
    ]
    assert "\x1b" not in shown.stdout + shown.stderr
    assert [line.split(":")[0] for line in shown.stderr.splitlines()] == ["ERROR"]
    lines = log.read_text().splitlines()
    assert all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\+0000 [A-Z]+ ", line) for line in lines), lines
    assert (
        len([line for line in lines if f"INFO {refused} failed inserted=0 attempts=1 error=not this date" in line]) == 1
    )
    assert re.search(r" ERROR 2024-10-30 failed: not this date", lines[-2])
    night = f"{refused} failed, {twice} partial, {missing} fully_reconciled, {complete} fully_reconciled"
    counts = re.search(rf"ERROR daily: exit code 4: {night}, (.*), \d+\.\d s$", lines[-1])
    assert counts and facts(counts[1]) == ["27", "0", "0", "0", "27", "1", "0", "0", "1"], lines[-1]


def test_a_date_without_difficulty_is_blocked_and_the_others_are_done(database: Database, run_recon: Run) -> None:
    fill(database, source_rows(days(date(2035, 1, 1), 1)))
    arguments = ("daily", "--today", "2035-01-02", "--json")
    assert outcomes(run_recon(*arguments, url=database.url), 4) == {
        "2035-01-02": "nothing_expected",
        "2035-01-01": "blocked",
    }
    assert database.count(TABLE) == 0


def test_force_prices_wrong_rows_anew_once_it_is_agreed_to(database: Database, run_recon: Run) -> None:
    exact = oracle.calculations(fill(database, source_rows(days(AUTUMN, 2))))
    database.add_calculations(*exact)
    database.execute(f"update {TABLE} set bitcoin_mined = 2 * bitcoin_mined where settlement_date = '{AUTUMN}'")
    wrong = oracle.stored(database)
    arguments = ("daily", "--today", "2024-10-28", "--json")
    assert set(outcomes(run_recon(*arguments, url=database.url), 0).values()) == {"fully_reconciled"}
    asked = run_recon(*arguments, "--force", "--max-changes", "100%", url=database.url)
    assert (asked.returncode, json.loads(asked.stdout)["error"]["code"]) == (2, "consent")
    assert oracle.stored(database) == wrong
    forced = run_recon(*arguments, "--force", "--max-changes", "100%", "--yes", url=database.url)
    assert outcomes(forced, 0) == {"2024-10-28": "fully_reconciled", "2024-10-27": "fixed"}
    assert sorted(oracle.stored(database)) == exact


def test_one_instance_at_a_time_and_a_terminated_one_leaves_whole_dates(
    database: Database, run_recon: Run, start_recon: Start
) -> None:
    """The first is held in the middle of a date; a second gives way; the first is told to stop; a third does it all."""
    rows = fill(database, source_rows(days(AUTUMN, 2)))
    database.execute(f"select pg_advisory_lock({GATE})")
    database.execute(
        "create function gate() returns trigger language plpgsql as $$ begin"
        f" perform pg_advisory_xact_lock_shared({GATE}); return new; end $$"
    )
    database.execute(f"create trigger gate before insert on {TABLE} for each row execute function gate()")
    arguments = ("daily", "--today", "2024-10-28")
    first = start_recon(*arguments, url=database.url)
    wait_until(lambda: database.scalar(WAITING) > 0, 30, "the first instance's first row")

    second = run_recon(*arguments, url=database.url)
    assert (second.returncode, second.stdout) == (4, "")
    assert re.fullmatch(r"recon: .*\(run \w+\).* \d\d:\d\d UTC\n", second.stderr)
    error = json.loads(run_recon(*arguments, "--json", url=database.url).stdout)["error"]
    assert error["code"] == "busy"

    first.send_signal(signal.SIGTERM)
    stdout, stderr = first.communicate(timeout=30)
    assert (first.returncode, stdout) == (143, "")
    assert re.fullmatch(r"recon: terminated; .*'recon resume'.*\n", stderr)
    assert database.rows("select command, status from recon.runs") == [("daily", "interrupted")]
    stored = oracle.stored(database)
    whole = [row for row in oracle.calculations(rows) if row[0] in {row[0] for row in stored}]
    assert stored == whole

    database.execute(f"select pg_advisory_unlock({GATE})")
    third = run_recon(*arguments, "--json", url=database.url)
    assert set(outcomes(third, 0).values()) == {"fixed"}
    assert oracle.stored(database) == oracle.calculations(rows)


@pytest.mark.parametrize("timezone", ["America/Los_Angeles", "Pacific/Auckland"])
def test_today_is_londons_today_wherever_the_machine_is(database: Database, run_recon: Run, timezone: str) -> None:
    def today() -> str:
        return str(datetime.now(UTC).astimezone(ZoneInfo("Europe/London")).date())

    before = today()
    done = run_recon("daily", "--days", 1, "--json", url=database.url, env={"TZ": timezone})
    ((day, outcome),) = outcomes(done, 1).items()
    assert before <= day <= today()
    assert outcome == "nothing_expected"


def test_json_log_lines_are_one_object_each(database: Database, run_recon: Run) -> None:
    fill(database, source_rows(days(AUTUMN, 2)))
    refuse(database, AUTUMN)
    done = run_recon("daily", "--today", "2024-10-28", "--log-format", "json", "-v", url=database.url)
    assert done.returncode == 4
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["level"] for line in lines][-1] == "error"
    assert sorted(line["date"] for line in lines if "date" in line) == ["2024-10-27", "2024-10-28"]


def test_a_night_with_surplus_rows_only_ends_with_its_line_as_well(
    database: Database, run_recon: Run, tmp_path: Path
) -> None:
    """In the log file, and on stderr where that is JSON lines; nothing was written, so no run is recorded."""
    exact = oracle.calculations(fill(database, source_rows([AUTUMN], farms=1)))
    database.add_calculations(*exact, exact[0])
    log = tmp_path / "daily.log"
    night = ("daily", "--today", "2024-10-28", "--log-file", log)
    shown = run_recon(*night, url=database.url)
    assert (shown.returncode, shown.stderr) == (1, ""), "people have seen it on stdout"
    (line,) = log.read_text().splitlines()
    outcome = f" ERROR daily: exit code 1: 2024-10-28 nothing_expected, {AUTUMN} partial, "
    assert facts(line.partition(outcome)[2])[:-1] == ["0", "0", "0", "0", "0", "1", "0", "0", "0"]

    as_json = run_recon(*night, "--log-format", "json", "--json", url=database.url)
    (line,) = as_json.stderr.splitlines()
    fields, shown = json.loads(line), json.loads(as_json.stdout)
    assert fields.pop("level") == "error" and fields.pop("message").startswith("daily: exit code 1: 2024-10-28 ")
    assert fields.pop("time")
    assert fields == {name: shown[name] for name in fields}
    assert {"exit_code", "outcomes", "seconds", "missing_before", "remaining", "inserted", "duplicate"} <= set(fields)
    assert json.loads(log.read_text().splitlines()[-1]) | {"time": ""} == json.loads(line) | {"time": ""}

    database.execute(f"delete from {TABLE}")
    filled = run_recon(*night, "--log-format", "json", "--quiet", url=database.url)
    assert (filled.returncode, filled.stderr) == (0, ""), "nothing is wrong"
    fields = json.loads(log.read_text().splitlines()[-1])
    assert (fields["missing_before"], fields["inserted"], fields["remaining"]) == (9, 9, 0)
    shown = run_recon("runs", "--json", url=database.url)
    assert [run["run_id"] for run in json.loads(shown.stdout)["runs"]] == [fields["run_id"]]


def test_a_night_past_the_known_difficulty_warns_though_nothing_is_blocked_yet(
    database: Database, run_recon: Run, tmp_path: Path
) -> None:
    """On stderr, in the log and in the document; the exit code is the contract's. The last known date is no trouble."""
    log = tmp_path / "daily.log"
    fill(database, source_rows([date(2026, 6, 24)], farms=1))
    assert run_recon("fix", url=database.url).returncode == 0
    runs = document(run_recon("runs", "--json", url=database.url))["runs"]
    whatever_its_age = ("--max-feed-age", 0)
    found = document(run_recon("daily", "--today", "2030-01-01", *whatever_its_age, "--json", url=database.url))
    (warning,) = found["warnings"]
    assert facts(warning)[:3] == ["2026-06-24", "1,287", "2030-01-01"] and f"'{UPDATE_DIFFICULTY}'" in warning
    assert found["difficulty_coverage_days"] == -1287
    late = run_recon("daily", "--today", "2030-01-01", *whatever_its_age, "--log-file", log, url=database.url)
    assert (late.returncode, late.stderr) == (0, f"WARNING: {warning}\n")
    assert f"WARNING {warning}" in log.read_text()
    last = run_recon("daily", "--today", "2026-06-24", "--json", url=database.url)
    assert (json.loads(last.stdout)["warnings"], last.stderr) == ([], "")
    assert document(run_recon("runs", "--json", url=database.url))["runs"] == runs


@pytest.mark.parametrize("option", [("--days", 0), ("--days", 367), ("--today", "2024-10-32")])
def test_what_cannot_be_is_refused_without_a_connection(run_recon: Run, option: tuple[str, object]) -> None:
    done = run_recon("daily", *option, url="postgresql://nobody@127.0.0.1:1/none")
    assert done.returncode == 2
    assert str(option[0]) in done.stderr or str(option[1]) in done.stderr
