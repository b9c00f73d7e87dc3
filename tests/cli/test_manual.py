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
from recon.cli.shared_options import SELDOM
from recon.core.errors import BUG, MEANINGS, ExitCode
from tests.support.parsing import commands_in, mentioned, options, options_in, parse, program
from tests.support.program import Run
from tests.support.readme import DOCUMENTS, GUIDES, README, blocks

COMMANDS = dict(leaves(program()))
TEXTS = {path.stem: path.read_text(encoding="utf-8") for path in DOCUMENTS}
README_TEXT = TEXTS[README.stem]
ALL = "\n".join(TEXTS.values())
CALL = r"(?<!-u )(?<![\w./'(-])(?:/usr/local/bin/)?recon (?=[a-z-])(?![a-z]+:)"
OTHER_PROGRAMS = {
    "--collector": "node_exporter",
    "--create-home": "useradd",
    "--system": "useradd",
    "--now": "systemctl",
    "--host": "dask scheduler",
    "--nworkers": "dask worker",
    "--nthreads": "dask worker",
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
    assert "recon fix --repair missing,wrong,duplicate,orphan --dry-run" in shown
    assert all(len(line) <= 80 or "https://" in line for line in shown.splitlines())


def chapter(document: str, title: str) -> str:
    """What a document says below a heading, up to the next one."""
    return TEXTS[document].partition(f"## {title}\n")[2].partition("\n## ")[0]


def test_what_is_to_be_typed_can_be_typed_and_what_is_mentioned_is_there() -> None:
    shown = [block for language in ("sh", "console", "cron", "ini", "text") for block in blocks(language)]
    lines = [line[call.start() :] for block in shown for line in block.splitlines() if (call := re.search(CALL, line))]
    assert len(lines) > 40
    for line in lines:
        for arguments in commands_in(re.split(" {3,}", line.removesuffix("\\"))[0]):
            assert parse(arguments) in COMMANDS
    at_once = ("--help", "--install-completion")  # done while they are parsed
    spans = [span for span in re.findall(r"`(recon\s[^`]+)`", ALL) if not span.endswith(at_once)]
    assert {name for span in spans for name in mentioned(" ".join(span.split()))} <= set(COMMANDS)
    assert options_in(ALL) - options() == set(OTHER_PROGRAMS)


def test_the_readmes_table_has_every_command_once() -> None:
    spans = re.findall(r"`(recon [^`]+)`", chapter("README", "Commands by question").partition("\n\n`")[0])
    named = [name for span in spans for name in mentioned(span)]
    assert sorted(named) == sorted(COMMANDS)


def test_the_guide_to_settings_has_the_options_that_help_leaves_out_and_no_other() -> None:
    """The others have their help, which is not empty."""
    given = [parameter for command in COMMANDS.values() for parameter in command.params]
    assert not [parameter.opts[0] for parameter in given if not parameter.help]
    seldom = {parameter.opts[0] for parameter in given if getattr(parameter, "rich_help_panel", None) == SELDOM}
    listed = re.findall(r"^- `(--[\w-]+)", chapter("settings", "Options seldom needed"), re.MULTILINE)
    assert sorted(listed) == sorted(seldom)


def test_the_readme_alone_has_the_exit_codes_and_has_them_all() -> None:
    row = re.compile(r"^\| ([0-9]+(?:, [0-9]+)*) \| (.+?) \|$", re.MULTILINE)
    said = {int(code): meaning for codes, meaning in row.findall(README_TEXT) for code in codes.split(",")}
    assert set(said) == {*ExitCode, BUG}
    for code, meaning in MEANINGS.items():
        assert set(re.findall(r"\w+", said[code])) >= set(re.findall(r"\w+", meaning))
    assert not [name for name, text in TEXTS.items() if name != README.stem and row.search(text)]


def test_the_guide_to_the_night_alone_has_the_metrics() -> None:
    """That they are those which are written, and that rules and dashboard know them: test_readme.py, test_guide.py."""
    assert [name for name, text in TEXTS.items() if re.search(r"\brecon_(daily|difficulty)_", text)] == ["nightly"]
    assert set(GUIDES) == set(TEXTS) - {README.stem}


def test_it_loads_nothing_heavy() -> None:
    command = [sys.executable, "-X", "importtime", "-m", "recon", "help-all"]
    done = subprocess.run(command, capture_output=True, text=True)
    loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert "typer" in loaded
    assert not loaded & {"polars", "pyarrow", "adbc_driver_postgresql", "prometheus_client", "rich"}
