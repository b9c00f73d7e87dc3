"""The options that every command has, on either side of its name."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import typer

from recon.cli.about import About
from recon.cli.call import REPEATED, Call
from recon.cli.options import COMMON, ENGINE, KINDS, NIGHTLY, ValueOptions
from recon.cli.settings import Found, files, settle
from recon.core.address import without_password
from recon.core.environment import parse_settings
from recon.core.settings import Settings

SAME_TABLES = (
    *(f"{table}_{what}" for table in ("curtailment", "calculations") for what in ("table", "columns")),
    *("fleet", "miners", "difficulty", "subsidy"),
)
"""The options that say which tables of a database are meant, and what their rows should be."""

Command = Callable[..., int | None]
Group = dict[str, Any] | type
"""Options that several commands have: by name, each None unless it is given; or a dataclass of them."""


def with_common(
    *,
    database: bool = True,
    unless: str = "",
    read_only: bool = False,
    engine: bool = False,
    compares: bool = False,
) -> Callable[[Command], Command]:
    """Makes a command take the common options too, and hands it one `Call` made of them.

    database: whether it needs one; then a URL must be known before it begins.
    unless: the option that names what is looked at instead of a database.
    read_only: whether all it does with it is read; any command's `--dry-run` is such a case.
    engine: whether its work can be done elsewhere; `call.engine` is then what does it.
    compares: whether it can compare stored values; its argument `compare` then has the options of that.
    """
    groups: list[Group] = [*([ValueOptions] if compares else []), *([ENGINE] if engine else [])]

    def decorate(command: Command) -> Command:
        def wrapper(ctx: typer.Context, **values: Any) -> int | None:
            given = {name: values.pop(name) for name in COMMON}
            elsewhere = {name: values.pop(name) for name in ENGINE} if engine else {}
            if compares:
                asked = {field.name: values.pop(field.name) for field in fields(ValueOptions)}
                values["compare"] = ValueOptions(**asked)
            inherited = ctx.obj or {}
            merged = {name: inherited.get(name) if value is None else value for name, value in given.items()}
            found = find_settings(merged | {name: values[name] for name in NIGHTLY.keys() & values.keys()})
            values |= {name: found[name].value for name in NIGHTLY.keys() & values.keys()}
            needed = database and not values.get(unless)
            settings = parse_settings({name: setting.value for name, setting in found.items()}, database=needed)
            settings = replace(settings, read_only=read_only or bool(values.get("dry_run")))
            REPEATED[:] = _repeated(found, settings)
            with Call(ctx.command_path.split(" ", 1)[-1], settings, elsewhere) as call:
                if engine:
                    _ = call.engine  # its options cannot be right or wrong only where it is used
                code = command(call, **values)
                call.print_profile()
            return code

        return _take(wrapper, command, without="call", groups=groups)

    return decorate


def _repeated(found: dict[str, Found], settings: Settings) -> list[str]:
    """The options of the command line by which another command is about the same tables; without any password."""
    named = settings.database_url and found["database_url"].source == "flag"
    words = ["-d", without_password(settings.database_url)] if named else []
    for name in SAME_TABLES:
        if found[name].source == "flag":
            words += [f"--{name.replace('_', '-')}", str(found[name].value)]
    return words


def take_common(function: Command) -> Command:
    """The same options before the command's name: kept in the context for the command."""

    def wrapper(ctx: typer.Context, **values: Any) -> int | None:
        inherited = ctx.obj or {}
        given = {name: values.pop(name, None) for name in COMMON}
        ctx.obj = {name: inherited.get(name) if value is None else value for name, value in given.items()}
        return function(ctx, **values)

    return _take(wrapper, function, without="ctx")


_taken: dict[Callable[..., Any], tuple[Command, str, Sequence[Group]]] = {}


def _take(wrapper: Command, command: Command, *, without: str, groups: Sequence[Group] = ()) -> Command:
    """Lets the wrapper stand for the command, so far without its parameters: `give_options` adds them."""
    functools.update_wrapper(wrapper, command)
    wrapper.about = About.of(command.__doc__)  # type: ignore[attr-defined]
    wrapper.__doc__ = wrapper.about.help  # type: ignore[attr-defined]
    del wrapper.__wrapped__  # type: ignore[attr-defined]
    _describe(wrapper, [_context()])
    _taken[wrapper] = (command, without, groups)
    return wrapper


def give_options(wrapper: Callable[..., Any] | None, *, common: bool = True) -> None:
    """Gives a command its own parameters and the common ones, which is what Typer reads.

    Only the command that is called needs them: for all of them Typer takes as long as to be imported.
    """
    if wrapper not in _taken:
        return
    command, without, groups = _taken[wrapper]
    own = [p for p in _parameters(command) if p.name != without and p.annotation is not ValueOptions]
    more = [p for group in (*groups, COMMON if common else {}) for p in _parameters(group)]
    _describe(wrapper, [_context(), *own, *more])


def _describe(wrapper: Command, parameters: list[inspect.Parameter]) -> None:
    wrapper.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    wrapper.__annotations__ = {p.name: p.annotation for p in parameters}


def _context() -> inspect.Parameter:
    return inspect.Parameter("ctx", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)


def _parameters(options: Group | Command) -> list[inspect.Parameter]:
    kind = inspect.Parameter.KEYWORD_ONLY
    if isinstance(options, dict):
        return [inspect.Parameter(name, kind, default=None, annotation=option) for name, option in options.items()]
    return [p.replace(kind=kind) for p in inspect.signature(options, eval_str=True).parameters.values()]


def find_settings(flags: dict[str, Any]) -> dict[str, Found]:
    """Each of the flags, and the settings that have none, as the flag, the environment or a file says."""
    return settle(flags, KINDS, os.environ)


def find_files() -> tuple[Path, ...]:
    """The files in which settings may be."""
    return files(os.environ)
