"""The reference is the parser's, whole, and runs no risk of being about another program."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from recon.cli.about import SECTIONS
from recon.cli.manual import about, exit_status, leaves
from recon.core.errors import MEANINGS, ExitCode
from tests.support.parsing import commands_in, mentioned, options, options_in, parse, program
from tests.support.program import Run
from tests.support.readme import README

COMMANDS = dict(leaves(program()))
README_TEXT = re.sub(r"<!-- faults -->.*<!-- /faults -->", "", README.read_text(encoding="utf-8"), flags=re.DOTALL)
"""Without the table of faults, which cuts what the program said."""
CALL = r"(?<!-u )(?<![\w./'(-])(?:/usr/local/bin/)?recon (?=[a-z-])(?![a-z]+:)"
OTHER_PROGRAMS = {
    "--collector": "node_exporter",
    "--create-home": "useradd",
    "--system": "useradd",
    "--now": "systemctl",
    "--host": "dask scheduler",
    "--nworkers": "dask worker",
    "--nthreads": "dask worker",
    "--quick": "python -m benchmarks",
    "--server": "python -m benchmarks",
}
HEADINGS = ["SYNOPSIS", "OPTIONS", "RISKS", "EXIT STATUS", "OUTPUT", "EXAMPLES"]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_says_its_risks_output_exit_status_and_examples_and_these_can_be_typed(name: str) -> None:
    told = about(COMMANDS[name])
    assert list(told.sections) == list(SECTIONS), f"add these to the docstring of '{name}'"
    assert all(told.sections.values())
    assert set(exit_status(told)) >= {0, 2}
    assert set(exit_status(told)) <= set(ExitCode)
    lines = told.sections["Examples"].splitlines()
    assert name in {parse(arguments) for line in lines for arguments in commands_in(line)}


def test_the_reference_holds_every_command_and_every_option(run_recon: Run) -> None:
    text = run_recon("help-all", "--format", "markdown").stdout
    chapters = dict(re.findall(r"^## (recon .*?)\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE))
    assert list(chapters) == list(COMMANDS)
    assert text.isascii(), "readable in any locale"
    common = text.partition("## recon ")[0]
    for name, chapter in chapters.items():
        found = re.findall(r"^### (.*)$", chapter, re.MULTILINE)
        assert found == [one for one in HEADINGS if one != "OPTIONS" or one in found]
        for parameter in COMMANDS[name].params:
            for option in parameter.opts:
                assert not option.startswith("--") or re.search(rf"{option}[` ]", common + chapter)
    assert all(f"- `{code:d}`: " in common for code in ExitCode)


@pytest.mark.skipif(shutil.which("man") is None, reason="there is no man here")
def test_man_shows_it_without_a_complaint(run_recon: Run, tmp_path: Path) -> None:
    page = tmp_path / "recon.1"
    page.write_text(run_recon("help-all", "--format", "man").stdout)
    arguments = ["man", "--warnings", "-P", "cat", "-l", page]
    done = subprocess.run(arguments, env={"MANWIDTH": "80", "PATH": "/usr/bin:/bin"}, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    shown = re.sub(r".\x08", "", done.stdout)
    assert [line for line in shown.splitlines() if line.startswith("RECON ")] == [name.upper() for name in COMMANDS]
    assert "recon fix --repair missing,stale,duplicate,orphan --dry-run" in shown
    assert all(len(line) <= 80 or "https://" in line for line in shown.splitlines())


def test_the_readme_names_every_command_and_no_other() -> None:
    """What it shows to be typed can be typed, and so can what it mentions; each is there with all that it needs."""
    blocks = re.findall(r"```(?:sh|console|cron|ini|text)\n(.*?)```", README_TEXT, re.DOTALL)
    lines = [line[call.start() :] for block in blocks for line in block.splitlines() if (call := re.search(CALL, line))]
    assert len(lines) > 30
    called = {parse(arguments) for line in lines for arguments in commands_in(re.split(" {3,}", line)[0])}
    at_once = ("--help", "--install-completion")  # done while they are parsed
    spans = [span for span in re.findall(r"`(recon [^`]+)`", README_TEXT) if not span.endswith(at_once)]
    usages = [usage for span in spans for usage in mentioned(span).items()]
    assert called | {name for name, whole in usages if whole} == set(COMMANDS)
    assert {name for name, _ in usages} <= set(COMMANDS)
    assert options_in(README_TEXT) - options() == set(OTHER_PROGRAMS)


def test_the_readme_has_every_exit_code() -> None:
    rows = re.findall(r"^\| ([0-9, ]+) \| (.+?) \|$", README_TEXT, re.MULTILINE)
    said = {int(code): meaning for codes, meaning in rows for code in codes.split(",")}
    for code, meaning in MEANINGS.items():
        assert set(re.findall(r"\w+", said[code])) >= set(re.findall(r"\w+", meaning))


def test_it_loads_nothing_heavy() -> None:
    command = [sys.executable, "-X", "importtime", "-m", "recon", "help-all"]
    done = subprocess.run(command, capture_output=True, text=True)
    loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert "typer" in loaded
    assert not loaded & {"polars", "pyarrow", "adbc_driver_postgresql", "prometheus_client", "rich"}
