"""What recon suggests to run can be copied as it is: the command is whole, and about the same tables."""

from __future__ import annotations

import json
import re
import shlex
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from recon.cli.app import about_tables
from recon.core.suggestions import PUBLIC_DIFFICULTY
from tests.support import oracle
from tests.support.builders import days, fill, later_epochs, source_rows
from tests.support.databases import TABLE, Database
from tests.support.following import suggested
from tests.support.parsing import parse
from tests.support.program import CANARY, Run

BEYOND = date(2026, 6, 25)
"""The day after the last one of known difficulty, by the packaged file."""


def quoted(text: str) -> list[str]:
    """The commands that a text names in quotes."""
    return re.findall(r"'(recon [^']+)'", text)


def arguments(command: str) -> list[str]:
    program, *given = shlex.split(command)
    assert program == "recon", command
    assert parse(given), command
    return given


@pytest.fixture
def known(database: Database) -> tuple[str, ...]:
    """The options that name tables of which one is called otherwise; the address has a password."""
    database.execute(f'alter table {TABLE} rename to "mined btc"')
    between = "&" if "?" in database.url else "?"
    return "-d", f"{database.url}{between}password={CANARY}", "--calculations-table", "mined btc"


def test_what_analyze_and_report_suggest_names_the_tables_that_were_named(
    database: Database, run_recon: Run, known: tuple[str, ...], tmp_path: Path
) -> None:
    """A gap, a duplicate and an orphan; done as suggested, without a terminal, nothing is left."""
    rows = oracle.calculations(fill(database, source_rows(days(date(2024, 4, 20), 2))))
    values = ["('{}', {}, '{}', '{}', {}, {})".format(*row) for row in [*rows[:-1], rows[0]]]
    columns = "settlement_date, settlement_period, farm_id, miner_model, bitcoin_mined, difficulty"
    database.execute(f'insert into "mined btc" ({columns}) values {", ".join(values)}')
    database.execute(f"insert into \"mined btc\" ({columns}) values ('2024-04-20', 9, 'T_GHOST-1', 'S9', 1, 1)")
    page, log = tmp_path / "page.html", tmp_path / "recon.log"
    shown = run_recon(*known, "analyze", "--log-file", log)
    reported = run_recon("report", *known, "--out", page, "--json")
    assert (shown.returncode, reported.returncode) == (1, 1), shown.stderr + reported.stderr
    found = json.loads(run_recon("analyze", "--json", *known).stdout)
    commands = [entry["command"] for entry in found["recommendations"]]
    assert [command.rpartition("btc' ")[2] for command in commands] == [
        "fix --repair missing,duplicate,orphan --dry-run",
        "init --unique-index",
    ]
    document = re.search(r'<script[^>]*id="document"[^>]*>(.*?)</script>', page.read_text(), re.DOTALL)
    assert document and json.loads(document[1])["recommendations"] == found["recommendations"]
    for command in commands:
        assert f"\n  {command}\n" in shown.stdout
        assert f"<code>{command}</code>".replace("'", "&#39;") in page.read_text()
        given = arguments(command)
        assert run_recon(*given).returncode in (0, 1), command
        if "--dry-run" in given:
            assert "it ends with the command that does it" in " ".join(shown.stdout.split())
            done = run_recon(*suggested(run_recon(*given))[1:])
            assert done.returncode in (0, 1), done.stderr
            listed = " ".join(done.stdout.split()).partition("quarantine ('")[2].partition("')")[0]
            assert run_recon(*arguments(listed)).stdout.startswith("key")
    assert run_recon("status", *known).returncode == 0
    assert CANARY not in shown.stdout + shown.stderr + page.read_text() + log.read_text() + json.dumps(found)


def test_after_a_blocked_night_the_line_names_whole_commands_and_they_mend_it(
    database: Database, run_recon: Run, known: tuple[str, ...], tmp_path: Path
) -> None:
    fill(database, source_rows([BEYOND], farms=1))
    night = run_recon("daily", *known, "--today", BEYOND, "--log-file", tmp_path / "log")
    assert night.returncode == 4
    assert night.stdout.splitlines()[0] == f"{BEYOND} blocked"
    warning, error = night.stderr.splitlines()
    assert "known through 2026-06-24 only, 1 day before 2026-06-25" in warning
    update, again = quoted(error)[0], error.partition(", then '")[2].removesuffix("'")
    assert update in warning and again.endswith("range 2026-06-24 2026-06-25")
    assert CANARY not in night.stdout + night.stderr + (tmp_path / "log").read_text()

    public = tmp_path / "public.json"
    public.write_text(json.dumps(later_epochs(datetime.now(UTC) - timedelta(days=12))))
    given = [str(public) if word == PUBLIC_DIFFICULTY else word for word in arguments(update)]
    assert str(public) in given
    assert run_recon(*given).returncode == 0
    assert run_recon(*arguments(again)).returncode == 0
    assert run_recon("daily", *known, "--today", BEYOND).returncode == 0


def test_an_error_and_a_diagnosis_suggest_the_address_that_was_given(database: Database, run_recon: Run) -> None:
    missing = run_recon("runs", "00000000", "-d", database.url)
    assert missing.returncode == 2
    assert arguments(quoted(missing.stderr)[0]) == ["-d", database.url, "runs"]
    assert quoted(run_recon("runs", "00000000", url=database.url).stderr) == ["recon runs"], "it was not given"
    found = json.loads(run_recon("diagnose", "analyze", "--json", "-d", database.url).stdout)
    advice = [entry["advice"] for entry in found["checks"] if entry["advice"].startswith("recon ")]
    assert all(arguments(text.partition("  #")[0])[:2] == ["-d", database.url] for text in advice)


def test_the_commands_that_repeat_the_tables_are_those_that_need_a_database() -> None:
    named = set(about_tables())
    assert named >= {"status", "range", "diagnose", "diagnose test", "quarantine restore", "sample load"}
    assert not named & {"demo", "config show", "difficulty update", "sample generate", "help-all", "sample"}
