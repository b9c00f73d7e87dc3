"""The README says what the program does."""

from __future__ import annotations

import configparser
import re
import shlex
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from recon.cli.nightly.metrics import METRICS
from recon.cli.settings import read
from recon.cli.shared_options import KINDS
from recon.core.environment import URL_VARIABLES
from recon.core.suggestions import UPDATE_DIFFICULTY
from recon.core.window import today_in_london
from recon.reference.reference import load
from tests.support.databases import Database
from tests.support.parsing import commands_in, parse
from tests.support.program import NOBODY, Run
from tests.support.readme import README, blocks, examples, run, timeless

TEXT = README.read_text(encoding="utf-8")
CRON_FIELD = r"(\*|\d+(-\d+)?)(/\d+)?(,\d+)*"
CRON_RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
PROGRAM = "/usr/local/bin/recon"
"""Whose options are right gets as far as here, and ends with 3."""


def test_every_console_example_prints_what_the_readme_shows(recon_home: Path) -> None:
    found = examples(TEXT)
    assert len(found) >= 8
    for command, output in found:
        assert timeless(run(command, recon_home)) == timeless(output), command


def unattended(run_recon: Run, command: str, scratch: Path) -> None:
    """The command's options are right: without a server it gets as far as connecting. Its files go to `scratch`."""
    (arguments,) = commands_in(command)
    assert parse(arguments)
    if arguments[0] == "difficulty":
        return  # nobody out there is to be asked
    moved = [str(scratch / Path(word).name) if word.startswith("/var/") else word for word in arguments]
    done = run_recon(*moved, url=NOBODY)
    assert done.returncode == 3, f"{command}: {done.stderr}"


def crontab() -> tuple[dict[str, str], list[list[str]]]:
    """The variables of the crontab, and its jobs: five fields of time and the command."""
    (text,) = blocks("cron")
    lines = [line for line in text.splitlines() if line]
    settings = dict(line.split("=", 1) for line in lines if "=" in line.split()[0])
    return settings, [line.split(None, 5) for line in lines if "=" not in line.split()[0]]


def test_the_crontab_has_a_nightly_check_and_a_weekly_fix(run_recon: Run, tmp_path: Path) -> None:
    settings, jobs = crontab()
    assert settings.keys() <= {*URL_VARIABLES, "PATH", "MAILTO", "SHELL", "RECON_HOME"}
    assert [job[5].split()[:2] for job in jobs] == [[PROGRAM, name] for name in ("difficulty", "daily", "fix")]
    for *fields, command in jobs:
        assert "%" not in command, "cron takes it for a line's end"
        for field, (least, most) in zip(fields, CRON_RANGES, strict=True):
            assert re.fullmatch(CRON_FIELD, field)
            assert all(least <= int(number) <= most for number in re.findall(r"\d+", field))
        unattended(run_recon, command, tmp_path)
    newer, nightly, weekly = jobs
    assert newer[1:5] == nightly[1:5] and int(newer[0]) < int(nightly[0])
    assert nightly[2:5] == ["*", "*", "*"]
    assert weekly[2:5] == ["*", "*", "0"]


def test_cron_has_something_to_mail_only_when_something_is_wrong(
    database: Database, environment: dict[str, str], tmp_path: Path
) -> None:
    """All is well; a row too many, in a job that answers on stdout; nobody there, which is told on stderr."""
    program = tmp_path / "recon"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m recon "$@"\n')
    program.chmod(0o755)
    jobs = [
        re.sub("/var/(log|lib)/recon", str(tmp_path), job[5].replace(PROGRAM, str(program))) for job in crontab()[1]
    ]
    tonight = today_in_london(datetime.now(UTC))

    def mailed(url: str) -> list[str]:
        variables = environment | {"RECON_DATABASE_URL": url}
        run = partial(subprocess.run, env=variables, capture_output=True, text=True, timeout=60, cwd=tmp_path)
        done = [run(["sh", "-c", job]) for job in jobs if "difficulty" not in job]
        return [night.stdout + night.stderr for night in done]

    assert mailed(database.url) == ["", ""]
    assert "exit code 0: " in (tmp_path / "daily.log").read_text().splitlines()[-1]
    database.add_calculations((tonight, 1, "T_GHOST-1", "S9", "1", "1"))
    daily, weekly = mailed(database.url)
    assert f"{tonight} partial\n" in daily and "not reconciled: 0 missing, 0 duplicate, 1 orphan, 0 wrong\n" in daily
    assert "not reconciled: 0 missing, 0 duplicate, 1 orphan\n" in weekly
    assert [text.startswith("recon: cannot connect") for text in mailed(NOBODY)] == [True, True]
    assert "exit code 3: cannot connect" in (tmp_path / "daily.log").read_text().splitlines()[-1]


def test_what_cron_and_systemd_name_is_there_after_the_installation() -> None:
    needed = set(re.findall(rf"{PROGRAM}|/var/\w+/recon", "\n".join([*blocks("cron"), *blocks("ini")])))
    assert needed == {PROGRAM, "/var/log/recon", "/var/lib/recon"}
    made = [line.split() for line in "\n".join(blocks("sh")).splitlines() if line.startswith(("ln -s", "install -d"))]
    assert needed <= {word for line in made for word in line}
    assert ["install", "-d", "-o", "recon"] in [line[:4] for line in made], "the job's user may write there"
    assert "User=recon" in systemd_units()["recon.service"]


def test_the_readme_says_when_the_packaged_difficulty_ends_and_how_to_bring_newer_ones() -> None:
    packaged = load(None, None, None, Path("/nowhere"))
    assert f"The packaged difficulty ends on {packaged.known_through}." in TEXT
    updates = [
        line for line in "\n".join([*blocks("sh"), *blocks("cron"), *blocks("ini")]).splitlines() if "--from h" in line
    ]
    assert len(updates) >= 5
    assert all(UPDATE_DIFFICULTY in line for line in updates)


def systemd_units() -> dict[str, str]:
    """The text of each unit by the file's name, which is its first line."""
    return {text.splitlines()[0].removeprefix("# "): text for text in blocks("ini")}


def test_the_systemd_units_start_the_nightly_check(run_recon: Run, tmp_path: Path) -> None:
    units = {}
    for name, text in systemd_units().items():
        parser = configparser.ConfigParser(interpolation=None, strict=True)
        parser.optionxform = str  # type: ignore[assignment, method-assign]
        parser.read_string(text)
        units[name] = parser
    assert set(units) == {"recon.service", "recon.timer"}
    service, timer = units["recon.service"]["Service"], units["recon.timer"]
    before, command = service["ExecStartPre"], service["ExecStart"]
    assert before.startswith(f"-{PROGRAM} difficulty update "), "one that fails does not keep the night from beginning"
    assert command.startswith(f"{PROGRAM} daily ")
    for line in (before, command):
        unattended(run_recon, line, tmp_path)
    assert service["Environment"].split("=")[0] in URL_VARIABLES
    assert service["Type"] == "oneshot"
    assert re.fullmatch(r"\*-\*-\* ([01]\d|2[0-3]):[0-5]\d:[0-5]\d", timer["Timer"]["OnCalendar"])
    assert timer["Install"]["WantedBy"] == "timers.target"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")
def test_systemd_takes_the_units(tmp_path: Path) -> None:
    for name, text in systemd_units().items():
        (tmp_path / name).write_text(
            text.replace("/usr/local/bin/recon", "/bin/true").replace("User=recon", "User=root")
        )
    for name in systemd_units():
        done = subprocess.run(["systemd-analyze", "verify", tmp_path / name], capture_output=True, text=True)
        said = [line for line in done.stderr.splitlines() if str(tmp_path) in line or line.startswith("recon.")]
        assert said == [], done.stderr


def alert_rules() -> list[dict[str, Any]]:
    (text,) = blocks("yaml")
    (group,) = yaml.safe_load(text)["groups"]
    rules: list[dict[str, Any]] = group["rules"]
    return rules


def test_the_metrics_are_those_that_are_written_and_each_that_can_be_red_has_an_alert() -> None:
    rows = re.findall(r"^\| `(recon_\w+)` \| (.+?) \| (.+) \|$", TEXT, re.MULTILINE)
    assert [name for name, _, _ in rows] == [metric.name for metric in METRICS]
    can_be_red = {name for name, unit, _ in rows if not unit.endswith("never")}
    watched = {name for rule in alert_rules() for name in re.findall(r"\brecon_\w+", rule["expr"])}
    assert watched == can_be_red
    hints = [hint for name, _, hint in rows if name in can_be_red]
    assert all("`recon " in hint or "journalctl" in hint for hint in hints)


def test_every_alert_says_what_to_run() -> None:
    rules = alert_rules()
    assert len({rule["alert"] for rule in rules}) == len(rules) > 8
    for rule in rules:
        assert set(rule) == {"alert", "expr", "labels", "annotations"}
        assert set(rule["annotations"]) == {"summary", "run"}
        assert rule["labels"]["severity"] in ("warning", "critical")
        program, *arguments = shlex.split(rule["annotations"]["run"])
        assert program == "journalctl" or parse(arguments).startswith("recon ")


@pytest.mark.skipif(shutil.which("promtool") is None, reason="no promtool here (Debian: prometheus)")
def test_prometheus_takes_the_alert_rules(tmp_path: Path) -> None:
    (text,) = blocks("yaml")
    (tmp_path / "recon.yml").write_text(text)
    done = subprocess.run(["promtool", "check", "rules", tmp_path / "recon.yml"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(alert_rules())} rules found" in done.stdout


def test_the_file_of_settings_is_one(tmp_path: Path) -> None:
    (text,) = blocks("toml")
    (tmp_path / "recon.toml").write_text(text)
    found = read(tmp_path / "recon.toml", KINDS)
    assert found["difficulty"].value == tmp_path / "difficulty.csv"
    assert {"database_url", "metrics_file", "ping_url", "webhook"} <= set(found)


@pytest.mark.parametrize(("words", "extra"), [("recon demo", "embedded"), ("pytest", "test")])
def test_the_two_commands_are_a_line_each_that_makes_its_own_environment(words: str, extra: str) -> None:
    """As a Python takes them that belongs to the system. `.ci/run` runs them; what they cost is said beside them."""
    (line,) = [line for block in blocks("sh") for line in block.splitlines() if words in line]
    begin = f'python3 -m venv .venv && .venv/bin/pip install ".[{extra}]" && .venv/bin/{words}'
    assert line.partition("#")[0].strip() == begin
    around = TEXT[TEXT.index(line) - 400 : TEXT.index(line) + 400]
    assert re.search(r"\b\d+ (seconds|minutes)\b", around) and re.search(r"\b\d+ MB\b", around)
    assert ".venv/" in (README.parent / ".gitignore").read_text().splitlines()


def test_every_command_in_the_readme_exists() -> None:
    from recon.cli.app import main

    shells = "\n".join([*blocks("sh"), *blocks("cron"), *blocks("ini")])
    named = set(re.findall(r"(?:^|\s|/)recon ((?!\.)[a-z]+(?: (?:critical-date|list|restore))?)", shells))
    assert {"status", "fix", "daily", "diagnose"} <= named
    for command in named:
        assert main([*command.split(), "--help"]) == 0, command
