"""What a terminal of any kind shows: a calendar in colours or characters, narrow tables, and what a shell offers."""

from __future__ import annotations

import json
import os
import re
from datetime import date

import pytest

from tests.support.builders import DAY, days, fill, source_rows
from tests.support.databases import TABLE, Database
from tests.support.program import Run
from tests.support.terminal import on_a_terminal, plain

FARM = "T_Ω-é-1"
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
"""The C locale as Python knows it before it makes UTF-8 of it."""
RULER = "1   5    10   15   20   25   30"


@pytest.fixture
def months(database: Database, run_recon: Run) -> Database:
    """Some dates of April and May 2024: one done, one with an orphan, the others empty."""
    rows = fill(database, source_rows([*days(DAY, 12), date(2024, 5, 20)]))
    assert run_recon("range", DAY, days(DAY, 2)[1], url=database.url).returncode == 0
    database.add_calculations((DAY, 1, FARM, "S9", "1", "1"))
    assert len(rows) > 100
    return database


def line(shown: str, month: str) -> str:
    return re.findall(rf"^{month} .*$", shown, re.M)[0].strip()


def test_the_calendar_says_in_characters_what_its_colours_say(
    months: Database, run_recon: Run, environment: dict[str, str]
) -> None:
    april, may = f"2024-04  {'.' * 19}+#---------", f"2024-05  -{'.' * 18}-"
    _, coloured = on_a_terminal(environment | {"COLORTERM": "truecolor"}, "-d", months.url, "status")
    assert "\x1b[38;2;55;160;157;48;2;55;160;157m#" in coloured, "a block of one colour"
    for name, value in (("NO_COLOR", "1"), ("TERM", "dumb")):
        _, shown = on_a_terminal(environment | {name: value}, "-d", months.url, "status", columns=60)
        assert not re.search(r"\x1b\[[0-9;]*[34]\dm", shown)
        assert line(plain(shown), "2024-04").startswith(april)
        lines = [text for text in re.split("[\r\n]", plain(shown)) if not text.startswith("next: ")]
        assert max(map(len, lines)) <= 72, "one sentence is longer, no table is"
    assert "\x1b" not in shown, "a terminal that cannot move its cursor is not asked to"
    piped = run_recon("analyze", url=months.url).stdout
    for shown in (plain(coloured), piped):
        assert RULER in shown and line(shown, "2024-04").split()[-2:] == ["1/11", "243"]
        assert line(shown, "2024-04").startswith(april) and line(shown, "2024-05").startswith(may)


def test_no_figure_is_cut_off_however_narrow_the_terminal(
    months: Database, run_recon: Run, environment: dict[str, str]
) -> None:
    run_id = json.loads(run_recon("runs", "--json", url=months.url).stdout)["runs"][0]["run_id"]
    months.execute("update historical_bitcoin_calculations set bitcoin_mined = 7 where miner_model = 'S9'")
    calendar = re.compile(r"^(month|20\d\d-\d\d|#) .*\n", re.M)  # is left out where it has no room

    def figures(text: str) -> set[str]:
        return set(re.findall(r"\d[\d,.:-]*\d|\d", text))

    def shown(width: int, *command: str) -> str:
        environment["COLUMNS"] = str(width)
        return run_recon(*command, url=months.url).stdout

    for command in (["analyze", "--values"], ["runs", run_id], ["fix", "--dry-run", "--repair", "orphan"]):
        wanted = figures(calendar.sub("", shown(200, *command)))
        for width in (60, 40):
            narrow = shown(width, *command)
            assert not wanted - figures(narrow), (command, width)
            assert "…" not in narrow, (command, width)
            tables = [text for text in narrow.splitlines() if re.match(r"\S+( {2,}\S+)+$", text)]
            assert all(len(text) <= width for text in tables), (command, width)
    assert line(shown(40, "status"), "2024-04") == f"2024-04  {'.' * 19}+#{'-' * 9}"
    assert "S19J_PRO: expected" in shown(40, "status") and "S19J_PRO: expected" not in shown(60, "status")


def test_a_locale_without_such_characters_is_no_error(months: Database, run_recon: Run) -> None:
    """Neither is a farm whose name it cannot write: what is shown is readable, and JSON is JSON."""
    shown = run_recon("fix", "--dry-run", "--repair", "orphan", url=months.url, env=ASCII)
    assert shown.returncode == 1 and r"remove 2024-04-20 1 T_\u03a9-\u00e9-1 S9" in shown.stdout, shown.stderr
    for env in ({}, ASCII):
        explained = run_recon("explain", DAY, 1, FARM, "--json", url=months.url, env=env)
        assert json.loads(explained.stdout)["key"]["farm_id"] == FARM, explained.stderr
    done = run_recon("explain", DAY, 1, os.fsdecode(b"T_\xff"), url=months.url)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "not UTF-8" in done.stderr


def test_a_long_step_says_how_far_it_is_in_what_the_terminal_can_show(
    months: Database, environment: dict[str, str]
) -> None:
    """Where nobody can know how long it takes, how long it has taken; the same in sixty columns, and in ASCII."""
    utf_8 = environment | {"LC_ALL": "C.UTF-8"}
    command = ("-d", months.url, "fix", "1")
    _, wide = on_a_terminal(utf_8, *command, "--to", days(DAY, 4)[3])
    assert re.search(r"reading [━ ]* +0:00:00 so far", plain(wide))
    assert re.search(r"2/2 dates ━{12} 54 rows, [\d,]+ rows/s 0:00:00 left", plain(wide))
    _, narrow = on_a_terminal(utf_8, *command, "--to", days(DAY, 6)[5], columns=60)
    assert re.search(r"2/2 dates 54 rows, [\d,]+ rows/s 0:00:00 left", plain(narrow)) and "…" not in narrow
    _, ascii_only = on_a_terminal(environment | {"LC_ALL": "C"}, *command, "--repair", "missing,orphan", "--yes")
    assert ascii_only.isascii() and re.search(r"dates -{12} .*/s 0:00:00 left", plain(ascii_only))


def test_a_shell_is_offered_commands_options_and_runs(months: Database, run_recon: Run) -> None:
    url = months.url
    (done,) = json.loads(run_recon("runs", "--json", url=url).stdout)["runs"]
    months.execute("update recon.run_dates set status = 'pending'")
    months.execute(
        "insert into recon.runs (run_id, command, code_version, status, parameters) "
        "values ('9', 'fix', '1', 'done', '{}')"
    )

    def offered(*words: str, **environment: str) -> list[str]:
        line = {"_RECON_COMPLETE": "complete_bash", "COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)}
        answer = run_recon(env=line | environment)
        assert (answer.returncode, answer.stderr) == (0, "")
        return answer.stdout.split()

    assert offered("recon", "ru") == ["runs"]
    assert offered("recon", "fix", "--fr") == ["--from"]
    assert set(offered("recon", "-d", url, "runs", "")) == {done["run_id"], "9"}
    beginning = {run for run in ("9", done["run_id"]) if run.startswith("9")}  # run ids are random
    assert set(offered("recon", "quarantine", "restore", "9", RECON_DATABASE_URL=url)) == beginning
    assert offered("recon", "resume", "-d", url, "") == [done["run_id"]], "it has dates to do"
    for nothing in ("postgresql://nobody@127.0.0.1:1/none", "embedded", "no url"):
        assert offered("recon", "runs", "", RECON_DATABASE_URL=nothing) == []


def test_every_month_is_shown_once_oldest_first_and_a_mark_says_what_is_wrong_beside_what_is_missing(
    database: Database, run_recon: Run, environment: dict[str, str]
) -> None:
    """Twenty months on a terminal and in a pipe; the sums of each are not printed a second time below."""
    firsts = [date(2023 + month // 12, month % 12 + 1, 1) for month in range(20)]
    fill(database, source_rows(firsts))
    for day in firsts[:2]:
        assert run_recon("date", day, url=database.url).returncode == 0
    database.execute(f"delete from {TABLE} where miner_model = 'S9'")
    database.execute(f"update {TABLE} set bitcoin_mined = 7 where settlement_date = '2023-02-01'")
    _, drawn = on_a_terminal(environment | {"NO_COLOR": "1"}, "-d", database.url, "analyze", "--values")
    for shown in (run_recon("analyze", "--values", url=database.url).stdout, plain(drawn).replace("\r", "")):
        assert re.findall(r"^\d{4}-\d\d\b(?!-)", shown, re.M) == [f"{day:%Y-%m}" for day in firsts]
        marks = [line(shown, month).split()[1:3] for month in ("2023-01", "2023-02", "2023-03")]
        assert marks == [["6", "0/1"], ["!", "0/1"], ["-", "0/1"]]
        assert "0-9 tenths there  ! both" in shown
    environment["COLUMNS"] = "45"
    narrow = run_recon("analyze", url=database.url).stdout
    assert len(re.findall(r"^2023-02 +1 +\d", narrow, re.M)) == 1, "where the calendar has no room for its sums"
