"""Help that fits a screen: commands in groups, of a command its own options; and nothing of it is cut."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import pytest

from recon.cli.help import record
from recon.cli.manual import leaves
from recon.core.errors import ExitCode
from tests.support.builders import DAY, fill, source_rows
from tests.support.databases import Database
from tests.support.parsing import program
from tests.support.program import Run, document
from tests.support.terminal import on_a_terminal

GROUPS = ["Look", "Fill", "Repair", "Nightly", "Set up"]
COMMANDS = dict(leaves(program()))
SUBGROUPS = [name for name, command in program().commands.items() if hasattr(command, "commands")]
COMMON = ("--database-url", "--json", "--quiet", "--statement-timeout", "--miners", "--log-file")
SELDOM = {
    "--idle-timeout",
    "--wait-for-workers",
    "--max-farm-mw",
    "--log-format",
    "--synchronous-commit",
    "--send-database-url",
    "--max-connections",
}
"""Options that the help of a command leaves out, and `recon help-options`, too."""
CLUSTER = ("--engine", "--scheduler", "--scheduler-file")


def lines(run_recon: Run, *arguments: str, columns: int = 80) -> list[str]:
    """What is shown where a terminal is so wide; as wide as a pipe is taken for, where nobody says."""
    done = run_recon(*arguments, env=None if columns == 80 else {"COLUMNS": str(columns)})
    assert (done.returncode, done.stderr) == (0, "")
    return str(done.stdout).splitlines()


def options_of(text: str) -> set[str]:
    """The options that have a line of their own in a help."""
    return {
        name for line in re.findall(r"^  (-.*)", text, re.MULTILINE) for name in re.findall(r"--[a-z-]+", line[:32])
    }


def test_the_help_of_the_program_fits_a_page_with_every_command_in_a_group(run_recon: Run) -> None:
    shown = lines(run_recon, "--help")
    assert len(shown) <= 40
    assert all(len(line) <= 80 for line in shown)
    headings = [line.rstrip(":") for line in shown if re.fullmatch(r"[A-Z].*:", line)]
    assert headings == GROUPS
    listed = [found[1] for line in shown if (found := re.match(r"  ([a-z][a-z-]*)  +[A-Z]", line))]
    assert listed == list(program().commands)
    for name in listed:
        told = program().commands[name].help.partition("\n\n")[0]
        assert " ".join(told.split()) in " ".join(" ".join(shown).split()), "whole, not cut"
    assert not options_of("\n".join(shown)), "the options come after, in one line"
    assert [line for line in shown if "-d, --json, -q, -v" in line and "'recon help-options'" in line]
    codes = "\n".join(shown).partition("Exit codes: ")[2]
    assert codes.count("\n") == 1
    assert [int(code) for code in re.findall(r"\b\d+\b", codes)] == list(ExitCode)


def test_no_help_is_cut_or_too_wide(run_recon: Run) -> None:
    names = {name.removeprefix("recon ") for name in COMMANDS} | set(SUBGROUPS)
    pages = [(name, 80) for name in ["", *sorted(names)]]
    for name, columns in (*pages, *((name, 60) for name in ("", "fix", "minimal", "diagnose", "difficulty update"))):
        shown = lines(run_recon, *name.split(), "--help", columns=columns)
        assert all(len(line) <= columns for line in shown), name
        assert "…" not in "".join(shown)
        assert not re.search(r"\w\.\.\.", "".join(shown).replace("[ARGS]...", "")), name
    assert len(lines(run_recon, "fix", "--help")) <= 45


@pytest.mark.parametrize("name", [name.removeprefix("recon ") for name in COMMANDS])
def test_the_help_of_a_command_has_its_own_options_and_names_the_others_once(run_recon: Run, name: str) -> None:
    command = COMMANDS[f"recon {name}"]
    text = "\n".join(lines(run_recon, *name.split(), "--help"))
    shown = options_of(text)
    assert not shown & {*COMMON, *CLUSTER, *SELDOM}
    its_own = {option for parameter in command.params if not parameter.rich_help_panel for option in parameter.opts}
    assert {option for option in its_own if option.startswith("--")} == shown - {"--help"}
    takes_common = any("--json" in parameter.opts for parameter in command.params)
    assert text.count("'recon help-options'") == (1 if takes_common else 0)


def test_the_common_options_are_shown_by_subject_without_those_seldom_needed(run_recon: Run) -> None:
    shown = options_of("\n".join(lines(run_recon, "help-options")))
    assert shown >= {*COMMON, *CLUSTER, "--version", "--install-completion"}
    assert not shown & SELDOM
    for columns in (80, 60):
        assert max(map(len, lines(run_recon, "help-options", columns=columns))) <= columns


def test_the_reference_has_every_option_of_many_commands_once_and_those_of_a_command_with_it(run_recon: Run) -> None:
    text = run_recon("help-all").stdout
    chapters = re.split(r"^## ", text, flags=re.MULTILINE)[1:]
    terms = {chapter.partition("\n")[0]: re.findall(r"^- `(-.*?)`:", chapter, re.MULTILINE) for chapter in chapters}
    found = Counter(
        option for labels in terms.values() for label in labels for option in re.findall(r"--[a-z-]+", label)
    )
    for option in (*COMMON, *CLUSTER, *SELDOM):
        assert found[option] == 1, option
    assert "--max-farm-mw MW" in terms["recon analyze"]
    assert "--force" in terms["recon daily"]


@pytest.mark.parametrize("name", COMMANDS)
def test_two_arguments_never_share_a_name_and_no_type_stands_for_one(name: str) -> None:
    command: Any = COMMANDS[name]
    context = command.make_context(name, [], resilient_parsing=True)
    rows = [(it, row) for it in command.params if (row := record(it, context))]
    arguments = [label for it, (label, _) in rows if it.param_type_name == "argument"]
    assert len(set(arguments)) == len(arguments)
    assert not [label for _, (label, _) in rows if re.search(r"<|\b(str|int|float|path|range)\b", label)]


def test_a_range_is_from_start_to_end(run_recon: Run) -> None:
    assert lines(run_recon, "range", "--help")[0] == "Usage: recon range [OPTIONS] START END [BATCH_SIZE]"


@pytest.mark.parametrize("group", [name for name in SUBGROUPS if name != "diagnose"])
def test_a_group_without_a_command_lists_those_it_has(run_recon: Run, group: str) -> None:
    commands = program().commands[group].commands
    done = run_recon(group)
    assert (done.returncode, done.stdout) == (2, "")
    assert re.findall(r"^  ([a-z-]+)  +[A-Z]", done.stderr, re.MULTILINE) == list(commands)
    needs = f"recon: 'recon {group}' needs a command: {', '.join(commands)}; see 'recon {group} --help'\n"
    assert done.stderr.endswith(needs)
    error = document(run_recon("--json", group), 2)["error"]
    assert error == {"code": "usage", "message": needs[7:].partition(";")[0], "hint": f"see 'recon {group} --help'"}


def test_version_is_a_command_and_an_option_and_a_document(run_recon: Run) -> None:
    done = run_recon("version")
    assert done.returncode == 0
    assert re.fullmatch(r"recon \d+\.\d+\.\d+\n", done.stdout)
    assert run_recon("--version").stdout == done.stdout
    said = {"schema_version": 1, "command": "version", "version": done.stdout.split()[1]}
    for arguments in (("version", "--json"), ("--json", "version"), ("--json", "--version")):
        assert document(run_recon(*arguments)) == said
    wrong = {"RECON_CONFIG": "/nowhere/recon.toml"}
    assert run_recon("version", env=wrong).returncode == 0, "it needs no settings"


def test_a_shell_is_offered_the_options_that_help_leaves_out(run_recon: Run) -> None:
    def offered(*words: str) -> set[str]:
        line = {"_RECON_COMPLETE": "complete_bash", "COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)}
        return set(run_recon(env=line).stdout.split())

    fix = offered("recon", "fix", "--")
    assert fix >= {*COMMON, *CLUSTER, *SELDOM - {"--max-farm-mw"}, "--workers", "--repair", "--dry-run"}
    assert "--max-farm-mw" in offered("recon", "analyze", "--max")
    assert offered("recon", "daily", "--f") >= {"--force"}
    assert offered("recon", "--stat") == {"--statement-timeout"}
    assert offered("recon", "") == set(program().commands)
    assert offered("recon", "quarantine", "") == {"list", "restore"}


def test_common_options_are_taken_before_and_after_the_command_though_help_hides_them(
    database: Database, run_recon: Run
) -> None:
    fill(database, source_rows([DAY]))
    options = ("--idle-timeout", 50, "--synchronous-commit", "on", "--log-format", "json", "--json")
    before = document(run_recon(*options, "fix", "--dry-run", url=database.url), 1)
    after = document(run_recon("fix", "--dry-run", *options, url=database.url), 1)
    assert before["planned"] == after["planned"]


@pytest.mark.parametrize("columns", [80, 60])
def test_on_a_terminal_help_is_what_it_is_in_a_pipe(environment: dict[str, str], run_recon: Run, columns: int) -> None:
    for arguments in (["--help"], ["fix", "--help"], ["help-options"]):
        code, shown = on_a_terminal(environment, *arguments, columns=columns)
        assert code == 0
        assert shown.splitlines() == lines(run_recon, *arguments, columns=columns)
