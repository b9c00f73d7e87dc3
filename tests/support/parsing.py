"""Command lines, looked at as the program's own parser does: nothing is run."""

from __future__ import annotations

import re
import shlex
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

from typer._click.exceptions import MissingParameter

from recon.cli.app import whole

STOPS = {"|", "||", "&&", ";", ">", ">>", "2>"}


@cache
def program() -> Any:
    """The whole command, with all its options."""
    return whole()


def commands_in(line: str) -> list[list[str]]:
    """The arguments of each call of recon in a line of shell, or of a crontab.

    >>> commands_in("15 4 * * *  recon daily --days 3 && echo well; recon -d embedded runs | head -1  # shown")
    [['daily', '--days', '3'], ['-d', 'embedded', 'runs']]
    """
    found: list[list[str]] = []
    inside = False
    for word in shlex.split(line.replace(";", " ; "), comments=True):
        if word in STOPS:
            inside = False
        elif inside:
            found[-1].append(word)
        elif Path(word).name == "recon":
            inside = True
            found.append([])
    return found


def parse(arguments: list[str]) -> str:
    """The full name of the command that the arguments call; the parser's own exception for what it does not take."""
    command, parent, name = program(), None, "recon"
    while True:
        context = command.make_context(name, list(arguments), parent=parent)
        rest = [*context._protected_args, *context.args]
        if not hasattr(command, "commands") or (not rest and command.invoke_without_command):
            assert not rest, rest
            return str(context.command_path)
        name, command, arguments = command.resolve_command(context, rest)
        parent = context


DATES = {"D": "2024-04-20", "START": "2024-04-20", "END": "2024-04-21"}
PLACEHOLDERS = {**DATES, "N": "5", "P": "24", "BATCH_SIZE": "5"}


def mentioned(text: str) -> dict[str, bool]:
    """The commands that a usage calls, as `recon fix [BATCH_SIZE]` or `recon diagnose a|b` does, by their full names:
    whether with all that they need.

    Every alternative has to be one, and every option has to be there; arguments may be left out.
    """
    usage = text.split(" | ")[0].replace("\\|", "|").translate(str.maketrans("[]", "  "))
    words = [word.split("|") for word in usage.split()[1:]]
    found = {}
    for one in product(*words):
        try:
            found[parse([PLACEHOLDERS.get(word, word) for word in one])] = True
        except MissingParameter as error:
            found[str(error.ctx and error.ctx.command_path)] = False
    return found


def options() -> set[str]:
    """Every option of every command, as it is written."""
    found: set[str] = {"--help", "-h", "--install-completion", "--show-completion"}
    waiting = [program()]
    while waiting:
        command = waiting.pop()
        found |= {name for parameter in command.params for name in parameter.opts if name.startswith("-")}
        waiting += getattr(command, "commands", {}).values()
    return found


def options_in(text: str) -> set[str]:
    """What looks like an option in a text."""
    return set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text))
