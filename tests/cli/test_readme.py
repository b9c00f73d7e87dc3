"""The README says what the program does."""

import configparser
import re
from pathlib import Path

from tests.readme import README, examples, run, timeless

TEXT = README.read_text(encoding="utf-8")
CRON_FIELD = r"(\*|\d+(-\d+)?)(/\d+)?(,\d+)*"


def test_every_console_example_prints_what_the_readme_shows(recon_home: Path) -> None:
    found = examples(TEXT)
    assert len(found) >= 8
    for command, output in found:
        assert timeless(run(command, recon_home)) == timeless(output), command


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


def test_the_crontab_has_a_nightly_check_and_a_weekly_fix() -> None:
    (crontab,) = blocks("cron")
    jobs = [line.split(None, 5) for line in crontab.splitlines() if line and "=" not in line.split()[0]]
    assert [job[5].split()[:2] for job in jobs] == [["recon", "daily"], ["recon", "fix"]]
    assert all(re.fullmatch(CRON_FIELD, field) for job in jobs for field in job[:5])
    nightly, weekly = jobs
    assert nightly[2:5] == ["*", "*", "*"]
    assert weekly[4] == "0"


def test_the_systemd_units_start_the_nightly_check() -> None:
    units = {}
    for text in blocks("ini"):
        parser = configparser.ConfigParser(interpolation=None, strict=True)
        parser.optionxform = str  # type: ignore[assignment, method-assign]
        parser.read_string(text)
        units[text.splitlines()[0].removeprefix("# ")] = parser
    assert set(units) == {"recon.service", "recon.timer"}
    service, timer = units["recon.service"], units["recon.timer"]
    assert service["Service"]["ExecStart"].split()[1] == "daily"
    assert service["Service"]["Type"] == "oneshot"
    assert re.fullmatch(r"\*-\*-\* \d\d:\d\d:\d\d", timer["Timer"]["OnCalendar"])
    assert timer["Install"]["WantedBy"] == "timers.target"


def test_every_command_in_the_readme_exists() -> None:
    from recon.cli.app import main

    shells = "\n".join([*blocks("sh"), *blocks("cron"), *blocks("ini")])
    named = set(re.findall(r"(?:^|\s|/)recon ((?!\.)[a-z]+(?: (?:critical-date|list|restore))?)", shells))
    assert {"status", "fix", "daily", "diagnose"} <= named
    for command in named:
        assert main([*command.split(), "--help"]) == 0, command
