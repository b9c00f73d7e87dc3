"""The reference of every command, made from the parser and the docstrings: a man page, or Markdown."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import typer

from recon.cli.about import About
from recon.cli.help import panel, record, write_rows
from recon.cli.shared_options import APART, SELDOM
from recon.core.errors import MEANINGS, ExitCode
from recon.core.version import __version__

FILES = (
    ("recon.toml", "Settings, in the working directory."),
    ("~/.config/recon/recon.toml", "Settings that the one in the working directory does not have."),
)
ENVIRONMENT = (
    ("RECON_DATABASE_URL, DATABASE_URL", "The database, where -d does not name it."),
    ("PGHOST, PGSERVICE and the other PG*", "libpq's own variables."),
    ("RECON_HOME", "Where the embedded server and updated difficulties are kept."),
    ("NO_COLOR", "No colours."),
)


PROGRAM = "The program"


class ManualFormat(StrEnum):
    """What the reference is written as."""

    MAN = "man"
    MARKDOWN = "markdown"


@dataclass(frozen=True)
class Heading:
    """A title; level 1 is a chapter, 2 a section of it."""

    level: int
    text: str


@dataclass(frozen=True)
class Paragraph:
    """Text that is filled."""

    text: str


@dataclass(frozen=True)
class Terms:
    """Terms and what each means."""

    rows: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Code:
    """Lines that stay as they are."""

    text: str


Block = Heading | Paragraph | Terms | Code


def write(root: Any, form: ManualFormat) -> str:
    """The reference of the program whose Typer command is `root`, all its options given."""
    blocks = list(_program(root))
    for name, command in leaves(root):
        blocks += _command(name, command)
    return _as_man(blocks) if form is ManualFormat.MAN else _as_markdown(blocks)


def leaves(group: Any, path: str = "recon") -> Iterator[tuple[str, Any]]:
    """Every command that can be run, by its full name; a group that does something without a command is one."""
    if getattr(group, "invoke_without_command", False):
        yield path, group
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from leaves(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


def about(command: Any) -> About:
    """What the docstring of a command says."""
    return getattr(command.callback, "about", None) or About.of(command.callback.__doc__)


def _program(root: Any) -> Iterator[Block]:
    yield Heading(1, "NAME")
    yield Paragraph("recon - " + about(root).help[:1].lower() + about(root).help[1:].rstrip("."))
    yield Heading(1, "SYNOPSIS")
    yield Code("recon [COMMON OPTIONS] COMMAND [OPTIONS]")
    yield Heading(1, "COMMON OPTIONS")
    yield Paragraph("Accepted before and after the command.")
    for heading, rows in _apart(root).items():
        yield Heading(2, heading)
        yield Terms(rows)
    yield Heading(1, "EXIT STATUS")
    yield Terms([(f"{code:d}", meaning) for code, meaning in MEANINGS.items()])
    yield Heading(1, "ENVIRONMENT")
    yield Terms(ENVIRONMENT)
    yield Heading(1, "FILES")
    yield Terms(FILES)


def _command(name: str, command: Any) -> Iterator[Block]:
    told = about(command)
    yield Heading(1, name)
    yield Paragraph(told.help)
    yield Heading(2, "SYNOPSIS")
    yield Code(synopsis(name, command))
    options = _options(command)
    if options:
        yield Heading(2, "OPTIONS")
        yield Terms(options)
    yield Heading(2, "RISKS")
    yield Paragraph(_filled(told, "Risks"))
    yield Heading(2, "EXIT STATUS")
    yield Terms([(str(code), meaning) for code, meaning in exit_status(told).items()])
    yield Heading(2, "OUTPUT")
    yield Paragraph(_filled(told, "Output"))
    yield Heading(2, "EXAMPLES")
    yield Code(told.sections.get("Examples", ""))


def exit_status(told: About) -> dict[int, str]:
    """The codes a command can end with: those of its docstring, in the program's words where it has none of its own.

    >>> exit_status(About("", {"Exit status": "0; 1 the stored rows differ."}))[1]
    'the stored rows differ'
    """
    parts = (part.partition(" ") for part in _filled(told, "Exit status").rstrip(".").split("; "))
    return {int(code): meaning or MEANINGS[ExitCode(int(code))] for code, _, meaning in parts if code}


def _filled(told: About, section: str) -> str:
    """A section as one line; it begins with a capital letter."""
    text = " ".join(told.sections.get(section, "").split())
    return text[:1].upper() + text[1:]


def synopsis(name: str, command: Any) -> str:
    """The command with its own options and arguments, as lines."""
    words = [name]
    for parameter, label, _ in _parameters(command):
        word = label.rpartition(", ")[2]
        words.append(word if parameter.required else f"[{word}]")
    words += ["[COMMAND]"] * hasattr(command, "commands")
    line = " ".join(word.replace(" ", "\0") for word in words)
    return textwrap.fill(line, 72, subsequent_indent="    ", break_on_hyphens=False).replace("\0", " ")


def _parameters(command: Any) -> Iterator[tuple[Any, str, str]]:
    """A command's own arguments and options, each with its label and its help."""
    context = typer.Context(command)
    for parameter in command.params:
        row = None if parameter.name in APART else record(parameter, context)
        if row:
            yield parameter, *row


def _options(command: Any) -> list[tuple[str, str]]:
    return [(label, text) for _, label, text in _parameters(command)]


def _apart(root: Any) -> dict[str, list[tuple[str, str]]]:
    """The options of the program itself and those that many commands have, each once, by their headings."""
    found: dict[str, dict[str, tuple[str, str]]] = {PROGRAM: {}}
    for command in (root, *(command for _, command in leaves(root))):
        context = typer.Context(command)
        for parameter in command.params:
            row = record(parameter, context) if command is root or parameter.name in APART else None
            if row:
                found.setdefault(panel(parameter) or PROGRAM, {}).setdefault(parameter.name, row)
    return {heading: list(rows.values()) for heading, rows in found.items()}


def write_options(root: Any, formatter: Any) -> None:
    """What `recon help-options` shows of the program: the options that stand apart, but for those seldom needed."""
    for heading, rows in _apart(root).items():
        if heading != SELDOM:
            write_rows(heading, rows, formatter)


def _as_markdown(blocks: Sequence[Block]) -> str:
    parts = [f"# recon {__version__}"]
    for block in blocks:
        match block:
            case Heading(level, text):
                parts.append(f"{'#' * (level + 1)} {text}")
            case Paragraph(text):
                parts.append(_marked(" ".join(text.split())))
            case Code(text):
                parts.append(f"```sh\n{text}\n```")
            case Terms(rows):
                parts.append("\n".join(f"- `{term}`: {_marked(meaning)}" for term, meaning in rows))
    return "\n\n".join(parts) + "\n"


def _marked(text: str) -> str:
    """Text whose <, *, _ and | mean themselves.

    >>> print(_marked("x>=1 <= a|b"))
    x\\>=1 \\<= a\\|b
    """
    return re.sub(r"([<>*_|\[\]])", r"\\\1", text)


def _as_man(blocks: Sequence[Block]) -> str:
    lines = [f'.TH RECON 1 "" "recon {__version__}" "User Commands"', ".nh"]
    for block in blocks:
        match block:
            case Heading(level, text):
                lines.append(f'.{"SH" if level == 1 else "SS"} "{_roff(text.upper() if level == 1 else text)}"')
            case Paragraph(text):
                lines += [".PP", _roff(" ".join(text.split()))]
            case Code(text):
                lines += [".PP", ".nf", *map(_roff, text.splitlines()), ".fi"]
            case Terms(rows):
                for term, meaning in rows:
                    lines += [".TP", f"\\fB{_roff(term)}\\fR", _roff(meaning)]
    return "\n".join(lines) + "\n"


def _roff(text: str) -> str:
    """Text as troff takes it: backslashes, hyphens and leading dots mean themselves.

    >>> print(_roff(".a-b"))
    \\&.a\\-b
    """
    escaped = text.replace("\\", "\\e").replace("-", "\\-").replace('"', "\\(dq")
    return f"\\&{escaped}" if escaped.startswith((".", "'")) else escaped
