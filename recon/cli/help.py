"""What `--help` shows: commands in groups, and of a command the options that are its own. The others are named by one
line; they have a panel, which is their heading in `recon help-options`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from typer.core import TyperCommand, TyperGroup

from recon.core.errors import UsageError

COMMON = "Also -d, --json, -q, -v and other common options: see 'recon help-options'."
Row = tuple[str, str]
"""A command, argument or option, and what it is."""


class Command(TyperCommand):
    """A command whose help has its own arguments and options."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Arguments by their bare names; those that may be left out in brackets."""
        return [piece.strip("{}") for piece in super().collect_usage_pieces(ctx)]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Arguments, options, and how to see the common ones."""
        _own(self.get_params(ctx), ctx, formatter)
        if any(panel(parameter) for parameter in self.params):
            _write_common(formatter)


class Group(TyperGroup):
    """A group of commands whose help begins with them. It is no command itself, unless it can do without one."""

    command_class = Command

    def invoke(self, ctx: Any) -> Any:
        """As any group; without a command it lists those there are, and UsageError says that one is missing."""
        if ctx._protected_args or self.invoke_without_command:
            return super().invoke(ctx)
        if "--json" not in ctx.obj.arguments:
            formatter = ctx.make_formatter()
            self.format_commands(ctx, formatter)
            sys.stderr.write(formatter.getvalue().lstrip("\n"))
        names = ", ".join(self.commands)
        raise UsageError(f"'{ctx.command_path}' needs a command: {names}", f"see '{ctx.command_path} --help'")

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """The commands, the options of a group below the program, and how to see the common ones."""
        self.format_commands(ctx, formatter)
        if ctx.parent:
            _own(self.get_params(ctx), ctx, formatter)
        _write_common(formatter)

    def format_commands(self, _: Any, formatter: Any) -> None:
        """The commands by their panels, each with the whole first sentence of its help."""
        width = max(map(len, self.commands))
        panels: dict[str, list[Row]] = {}
        for name, command in self.commands.items():
            text = " ".join((command.help or "").partition("\n\n")[0].split())
            panels.setdefault(panel(command) or "Commands", []).append((name.ljust(width), text))
        for heading, rows in panels.items():
            write_rows(heading, rows, formatter)


def panel(what: Any) -> str | None:
    """The heading under which a command or an option is shown, where it has one of its own."""
    found: str | None = getattr(what, "rich_help_panel", None)
    return found


def record(parameter: Any, ctx: Any) -> Row | None:
    """An argument or an option as it is typed, and its help; None for one that is hidden.

    What is typed is told by a word (`DATE`) or by the choices (`newest|oldest`), never by a type; bounds in words.
    """
    found = parameter.get_help_record(ctx)
    if found is None:
        return None
    label, text = found
    word = "" if parameter.param_type_name == "argument" else r" \1"
    text = re.sub(r"\bx>=([\d.]+)", r"\1 or more", re.sub(r"([\d.]+)<=x<=", r"\1 to ", text))
    return re.sub(r" <(.*)>$", word, label), text


def write_rows(heading: str, rows: Sequence[Row], formatter: Any) -> None:
    """The rows under their heading; nothing where there are none."""
    if rows:
        with formatter.section(heading):
            formatter.write_dl(rows)


def _own(parameters: Iterable[Any], ctx: Any, formatter: Any) -> None:
    kinds: dict[str, list[Row]] = {"argument": [], "option": []}
    for parameter in parameters:
        row = None if panel(parameter) else record(parameter, ctx)
        if row:
            kinds[parameter.param_type_name].append(row)
    write_rows("Arguments", kinds["argument"], formatter)
    write_rows("Options", kinds["option"], formatter)


def _write_common(formatter: Any) -> None:
    formatter.write_paragraph()
    with formatter.indentation():
        formatter.write_text(COMMON)
