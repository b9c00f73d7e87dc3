"""The program `recon`: its commands, and the one place where an error becomes a line and an exit code."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import cache, partialmethod
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperArgument, TyperOption
from typer.exceptions import TyperException

from recon.cli.common import callback, give_options
from recon.cli.help import Command, Group
from recon.cli.invocation import Invocation
from recon.cli.log import LOG, logs_json, on_stderr, visible
from recon.core.errors import MEANINGS, ExitCode, ReconError, UsageError

EXIT_CODES = ", ".join(f"{code:d} {meaning.partition(' (')[0]}" for code, meaning in MEANINGS.items())

GROUPS = {
    "Look": {
        "status": "status:status",
        "analyze": "analyze:analyze",
        "report": "report:report",
        "explain": "explain:explain",
        "verify": "verify:verify",
        "export": "export:export",
    },
    "Fill": {
        "fix": "fix:fix",
        "date": "fix:date",
        "range": "fix:range_",
        "resume": "resume:resume",
        "minimal": "minimal:group",
    },
    "Repair": {
        "quarantine": "quarantine:group",
    },
    "Nightly": {
        "daily": "daily:daily",
        "runs": "runs:runs",
    },
    "Set up": {
        "init": "init:init",
        "diagnose": "diagnose:group",
        "difficulty": "difficulty:group",
        "config": "config:group",
        "sample": "sample:group",
        "demo": "demo:demo",
        "guide": "guide:guide",
        "help-options": "reference:help_options",
        "help-all": "reference:help_all",
        "version": "version:version",
    },
}
"""The commands and groups of commands as the help has them: the module in `cli.commands`, and the name there."""
COMMANDS = {name: (heading, place) for heading, group in GROUPS.items() for name, place in group.items()}


def _version(ctx: typer.Context, wanted: bool) -> None:
    if wanted:
        from recon.cli.commands import version

        version.tell(as_json="--json" in ctx.obj.arguments)
        raise typer.Exit


@callback
def _common(
    ctx: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Makes the Bitcoin calculations agree exactly with the curtailment records."""


class _Program(Group):
    """The program: its commands in the order of GROUPS, and a help that fits a screen."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = {name: self.commands[name] for name in COMMANDS if name in self.commands}

    def format_help_text(self, _: Any, formatter: Any) -> None:
        """What the program does, below its usage."""
        with formatter.indentation():
            formatter.write_text(self.help or "")

    def format_epilog(self, _: Any, formatter: Any) -> None:
        """The exit codes, below the common options."""
        with formatter.indentation():
            formatter.write_text(f"Exit codes: {EXIT_CODES}.")


def program(names: Iterable[str] = COMMANDS) -> typer.Typer:
    """The program with these commands: only their modules are loaded."""
    app = typer.Typer(
        name="recon",
        cls=_Program,
        add_completion=True,
        rich_markup_mode=None,  # plain help: loading Rich for it takes longer than all else together
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_common)
    for name in names:
        heading, place = COMMANDS[name]
        module, _, attribute = place.partition(":")
        found = getattr(import_module(f"recon.cli.commands.{module}"), attribute)
        if isinstance(found, typer.Typer):
            for command in found.registered_commands:
                command.cls = Command
            app.add_typer(found, name=name, cls=Group, rich_help_panel=heading)
        else:
            app.command(name, cls=Command, rich_help_panel=heading)(found)
    return app


def whole() -> Any:
    """Typer's command of the whole program, every option given: what there is to parse with, and to describe."""
    app = program()
    give_options(_common)
    _give_options(app, [])
    return typer.main.get_command(app)


def _processed(parameter: Any, convert: Callable[..., Any], context: Any, value: Any) -> Any:
    """The value of an option or argument; `convert`: Typer's way to make it so, for which it loads Pydantic, which
    takes half as long as Polars. So what is of its type already, or is not given, stays as it is.
    """
    described = getattr(parameter, "type_descriptor", None)
    is_of_its_type = described and type(value) is described.annotation and not described.parameter_info.parser
    if is_of_its_type or (value is None and not parameter.required):
        return parameter.callback(context, parameter, value) if parameter.callback else value
    return convert(parameter, context, value)


for _kind in (TyperOption, TyperArgument):
    _kind.process_value = partialmethod(_processed, _kind.process_value)  # type: ignore[assignment, method-assign]


@cache
def about_tables() -> frozenset[str]:
    """The full names of the commands that are about somebody's tables."""
    return frozenset(_about_tables(program()))


def _about_tables(commands: typer.Typer, path: str = "") -> Iterator[str]:
    for info in commands.registered_commands:
        if getattr(info.callback, "needs_database", False):
            yield f"{path}{info.name}"
    for group in commands.registered_groups:
        if group.typer_instance:
            if group.typer_instance.info.invoke_without_command is True:
                yield str(group.name)
            yield from _about_tables(group.typer_instance, f"{group.name} ")


def _give_options(commands: typer.Typer, arguments: list[str]) -> None:
    """Gives their options to the commands that the arguments name; to all where there are none (shell completion)."""
    for info in commands.registered_commands:
        if not arguments or info.name in arguments:
            give_options(info.callback)
    for group in commands.registered_groups:
        if group.typer_instance and (not arguments or group.name in arguments):
            callback = group.typer_instance.registered_callback
            give_options(callback.callback if callback else None)
            _give_options(group.typer_instance, arguments)


COMPLETION = {"--install-completion", "--show-completion"}
SHELLS = ("bash", "zsh", "fish", "powershell", "pwsh")
"""Those whose completion Typer writes."""


def main(arguments: list[str]) -> int:
    """Runs the program with these arguments; the exit code."""
    return run_line(Invocation(arguments))


def run_line(invocation: Invocation) -> int:
    """Runs one command line; the exit code."""
    arguments = list(invocation.arguments)
    invocation.program = replace(invocation.program, commands=about_tables)
    app = program(arguments[:1] if arguments and arguments[0] in COMMANDS else COMMANDS)
    give_options(_common, common=not arguments or arguments[0].startswith("-"))
    _give_options(app, arguments)
    try:
        if COMPLETION & set(arguments[:1]):
            _check_shell()
        code = app(arguments or ["--help"], prog_name="recon", standalone_mode=False, obj=invocation)
        sys.stdout.flush()
        return int(code or ExitCode.OK)
    except SystemExit as done:  # how shell completion ends
        return int(done.code or ExitCode.OK)
    except ReconError as error:
        return fail(error, invocation)
    except OSError as error:
        return fail(_of_the_system(error), invocation)
    except RuntimeError as error:
        if "--install-completion" not in arguments:
            raise
        return fail(UsageError(f"the completion cannot be installed: {error}", "set HOME"), invocation)
    except TyperException as error:
        shown = getattr(error, "format_message", error.__str__)()
        place = getattr(error, "ctx", None)
        command = place.command_path if place else "recon"
        return fail(UsageError(shown.replace("\n", " ").rstrip("."), f"see '{command} --help'"), invocation)
    except typer.Abort:
        return ExitCode.INTERRUPTED


def _check_shell() -> None:
    """UsageError where the shell that completion would be for is not known, or is none that can have it."""
    import shellingham  # type: ignore[import-untyped]

    try:
        shell, _ = shellingham.detect_shell()
    except shellingham.ShellDetectionFailure:
        shell = "none that is known"
    if shell not in SHELLS:
        raise UsageError(f"the shell is {shell}", f"run this from one of {', '.join(SHELLS)}")


def _of_the_system(error: OSError) -> UsageError:
    """What the system refuses where nobody expected it to: no place on a disk, a directory that is gone."""
    what = f"{error.filename}: " if error.filename else ""
    hint = "see that directories are there, may be written and have room; --verbose shows where it happened"
    LOG.debug("the system's refusal", exc_info=error)
    return UsageError(f"{what}{error.strerror or type(error).__name__}", hint, code="system")


def fail(error: ReconError, invocation: Invocation) -> int:
    """One line on stderr, or with `--json` one document on stdout; the error's exit code."""
    import json

    error.hint = invocation.program.render(error.hint)
    error.message = error.message.replace("\n", "\\n")
    as_json = "--json" in invocation.arguments and error.code != "output"
    in_log = logs_json() and not as_json
    if as_json:
        sys.stdout.write(json.dumps(error.to_dict(), ensure_ascii=False) + "\n")
    elif not in_log:
        sys.stderr.write(on_stderr(f"recon: {visible(str(error))}") + "\n")
    for handler in LOG.handlers[0 if in_log else 1 :]:
        handler.handle(LOG.makeRecord(LOG.name, 40, "", 0, "%s", (str(error),), None))
    for ended in invocation.endings:
        ended(error)
    return int(error.exit_code)
