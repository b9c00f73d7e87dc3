"""The README and the guides say what the program does, and what they show to be set up works."""

from __future__ import annotations

import configparser
import json
import re
import shlex
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from recon.cli.nightly.metrics import METRICS
from recon.cli.settings import read
from recon.cli.shared_options import KINDS
from recon.core.suggestions import UPDATE_DIFFICULTY
from recon.core.window import today_in_london
from recon.reference.reference import load
from tests.support.builders import fill, later_epochs, source_rows
from tests.support.databases import Database
from tests.support.parsing import commands_in, parse
from tests.support.program import NOBODY, Run
from tests.support.readme import DOCUMENTS, GUIDES, README, blocks, cut, examples, run, timeless

TEXT = README.read_text(encoding="utf-8")
NIGHTLY = GUIDES["nightly"]
ALERTS = NIGHTLY.with_name("nightly-alerts.yml")
CRON_FIELD = r"(\*|\d+(-\d+)?)(/\d+)?(,\d+)*"
CRON_RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
PROGRAM = "/usr/local/bin/recon"
"""Whose options are right gets as far as here, and ends with 3."""


def test_every_console_example_prints_what_is_shown(recon_home: Path) -> None:
    found = [example for path in DOCUMENTS for example in examples(path.read_text(encoding="utf-8"))]
    assert len(found) >= 9
    for command, output in found:
        assert timeless(cut(run(command, recon_home), output)) == timeless(output), command


def settings(scratch: Path) -> Path:
    """The guide's file of settings, its own files in `scratch`; where it is looked for if that is the home."""
    text = "".join(blocks("toml", NIGHTLY))
    place = scratch / ".config" / "recon" / "recon.toml"
    place.parent.mkdir(parents=True)
    named = [line for line in text.splitlines() if not line.startswith("database_url")]
    place.write_text("\n".join(re.sub("/var/(log|lib)/recon", str(scratch), line) for line in named))
    return place


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
    (text,) = blocks("cron", NIGHTLY)
    lines = [line for line in text.splitlines() if line]
    settings = dict(line.split("=", 1) for line in lines if "=" in line.split()[0])
    return settings, [line.split(None, 5) for line in lines if "=" not in line.split()[0]]


def test_the_crontab_has_a_nightly_check_and_a_weekly_fix(run_recon: Run, tmp_path: Path) -> None:
    variables, jobs = crontab()
    assert variables.keys() == {"PATH", "MAILTO", "NEWER"}
    assert str(Path(PROGRAM).parent) in variables["PATH"].split(":")
    assert f"recon difficulty update --live --from {variables['NEWER']}" == str(UPDATE_DIFFICULTY)
    assert [job[5].split()[:2] for job in jobs] == [["recon", name] for name in ("difficulty", "daily", "fix")]
    assert {" ".join(job) for job in jobs} > {" ".join(line.split()) for line in blocks("cron", README)}
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
    """Nothing comes in; all is well; a row too many, in a job that answers on stdout; nobody there, told on stderr."""
    program = tmp_path / "recon"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m recon "$@"\n')
    program.chmod(0o755)
    settings(tmp_path)
    at_home = {"HOME": str(tmp_path), "PATH": f"{tmp_path}:{environment['PATH']}"}
    jobs = [job[5] for job in crontab()[1]]
    tonight = today_in_london(datetime.now(UTC))

    def shell(url: str, job: str) -> str:
        variables = environment | at_home | {"RECON_DATABASE_URL": url}
        variables.pop("XDG_CONFIG_HOME", None)
        run = partial(subprocess.run, env=variables, capture_output=True, text=True, timeout=60, cwd=tmp_path)
        done = run(["sh", "-c", job])
        return str(done.stdout + done.stderr)

    def mailed(url: str) -> list[str]:
        return [shell(url, job) for job in jobs if "difficulty" not in job]

    public = tmp_path / "public.json"
    public.write_text(json.dumps(later_epochs(datetime.now(UTC) - timedelta(days=12))))
    shell(database.url, f"recon difficulty update --live --from {public}")
    assert "no_curtailment: none until" in mailed(database.url)[0]
    fill(database, source_rows([tonight], farms=1))
    assert mailed(database.url) == ["", ""]
    assert "exit code 0: " in (tmp_path / "recon.log").read_text()
    assert "recon_daily_exit_code 0" in (tmp_path / "recon.prom").read_text()
    database.add_calculations((tonight, 1, "T_GHOST-1", "S9", "1", "1"))
    daily, weekly = mailed(database.url)
    assert f"{tonight} partial\n" in daily and "not reconciled: 0 missing, 0 duplicate, 1 orphan, 0 wrong\n" in daily
    assert "not reconciled: 0 missing, 0 duplicate, 1 orphan\n" in weekly
    assert [text.startswith("recon: cannot connect") for text in mailed(NOBODY)] == [True, True]
    assert "exit code 3: cannot connect" in (tmp_path / "recon.log").read_text()


def test_what_cron_and_systemd_name_is_there_after_the_installation() -> None:
    needed = set(re.findall(rf"{PROGRAM}|/var/\w+/recon", "\n".join([*blocks("ini"), *blocks("toml", NIGHTLY)])))
    assert needed == {PROGRAM, "/var/log/recon", "/var/lib/recon"}
    shell = "\n".join(blocks("sh", NIGHTLY)).splitlines()
    made = [line.split() for line in shell if line.startswith(("ln -s", "install -d"))]
    assert needed <= {word for line in made for word in line}
    assert ["install", "-d", "-o", "recon"] in [line[:4] for line in made], "the job's user may write there"
    assert "User=recon" in systemd_units()["recon.service"]


def test_it_is_said_when_the_packaged_difficulty_ends_and_how_to_bring_newer_ones() -> None:
    packaged = load(None, None, None, Path("/nowhere"))
    assert f"The packaged difficulty ends on {packaged.known_through}." in TEXT
    lines = [line for block in [*blocks("sh"), *blocks("ini")] for line in joined(block).splitlines()]
    updates = [line for line in lines if "--from h" in line]
    assert len(updates) >= 3
    assert all(str(UPDATE_DIFFICULTY) in line for line in updates)


def joined(text: str) -> str:
    """Lines of a shell or a unit that end in a backslash, with the next ones."""
    return re.sub(r"\\\n *", "", text)


def systemd_units() -> dict[str, str]:
    """The text of each unit by the file's name, which is its first line."""
    return {text.splitlines()[0].removeprefix("# "): joined(text) for text in blocks("ini")}


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
    (group,) = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"]
    rules: list[dict[str, Any]] = group["rules"]
    return rules


def test_the_metrics_are_those_that_are_written_and_each_that_can_be_red_has_an_alert() -> None:
    items = re.findall(r"^- `recon_.*\n(?:  .*\n)*", NIGHTLY.read_text(encoding="utf-8"), re.MULTILINE)
    rows = [re.findall(r"- `(\w+)`, (.+?): (.*)", " ".join(item.split()))[0] for item in items]
    assert [name for name, _, _ in rows] == [metric.name for metric in METRICS]
    can_be_red = {name for name, red, _ in rows if red != "never red"}
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
def test_prometheus_takes_the_alert_rules() -> None:
    done = subprocess.run(["promtool", "check", "rules", ALERTS], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(alert_rules())} rules found" in done.stdout


def test_the_file_of_settings_is_one(tmp_path: Path) -> None:
    (text,) = blocks("toml", GUIDES["settings"])
    (tmp_path / "recon.toml").write_text(text)
    found = read(tmp_path / "recon.toml", KINDS)
    assert found["difficulty"].value == tmp_path / "difficulty.csv"
    assert {"database_url", "metrics_file", "ping_url", "webhook"} <= set(found)


@pytest.mark.parametrize(("words", "extra"), [("recon demo", "embedded"), ("pytest", "test")])
def test_the_two_commands_make_their_own_environment(words: str, extra: str) -> None:
    """As a Python takes them that belongs to the system. `.ci/run` runs them; what they cost is said beside them."""
    (block,) = [block for block in blocks("sh", README) if words in block]
    first, second = (line.partition("#")[0].strip() for line in block.splitlines())
    assert first == f'python3 -m venv .venv && .venv/bin/pip install ".[{extra}]"'
    assert second == f".venv/bin/{words}"
    around = TEXT[TEXT.index(block) - 400 : TEXT.index(block) + 400]
    assert re.search(r"\b\d+ (seconds|minutes)\b", around) and re.search(r"\b\d+ MB\b", around)
    assert ".venv/" in (README.parent / ".gitignore").read_text().splitlines()


def test_the_readme_is_short_and_what_is_to_be_typed_is_not_wide() -> None:
    assert len(TEXT.splitlines()) <= 350
    lines = [line for language in ("sh", "sql", "cron", "python") for line in "".join(blocks(language)).splitlines()]
    assert not [line for line in lines if len(line) > 100]
