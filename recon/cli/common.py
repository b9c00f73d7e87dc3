"""What turns a function into a command: groups of options, the common ones on either side of its name, its `Call`."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable, Iterator
from dataclasses import is_dataclass, replace
from pathlib import Path
from typing import Any, TypeGuard

import typer

from recon.cli.about import About
from recon.cli.call import Call
from recon.cli.settings import Found, files, settle
from recon.cli.shared_options import COMMON, KINDS, CommonOptions, EngineOptions
from recon.core.address import without_password
from recon.core.environment import parse_settings
from recon.core.settings import Settings

SAME_TABLES = (
    *(f"{table}_{what}" for table in ("curtailment", "calculations") for what in ("table", "columns")),
    *("fleet", "miners", "difficulty", "subsidy"),
)
"""The options that say which tables of a database are meant, and what their rows should be."""

Command = Callable[..., int | None]
Group = type[Any]
"""A dataclass whose fields are options, or groups of them."""
Taker = Callable[..., Any]
"""A command or a group: its parameters are options, or groups of them."""


def command(
    *, database: bool = True, unless: str = "", read_only: bool = False, engine: bool = False
) -> Callable[[Command], Command]:
    """Makes a function a command. It is called with a `Call`, made of the common options, and with its own parameters;
    of those whose type is a dataclass, an option group, it gets one that is built from the options.

    database: whether it needs one; then a URL must be known before it begins.
    unless: the option that names what is looked at instead of a database.
    read_only: whether all it does with it is read; any command's `--dry-run` is such a case.
    engine: whether its work can be done elsewhere; `call.engine` is then what does it.
    """

    def decorate(function: Command) -> Command:
        def wrapper(ctx: typer.Context, **flat: Any) -> int | None:
            found = find_settings(ctx.obj.give(flat, COMMON) | {name: flat[name] for name in KINDS.keys() & flat})
            flat |= {name: found[name].value for name in KINDS.keys() & flat}
            needed = database and not flat.get(unless)
            settings = parse_settings({name: setting.value for name, setting in found.items()}, database=needed)
            settings = replace(settings, read_only=read_only or bool(flat.get("dry_run")))
            ctx.obj.program = replace(ctx.obj.program, options=_naming_tables(found, settings))
            elsewhere = _built(EngineOptions, flat) if engine else {}
            with Call(ctx.command_path.split(" ", 1)[-1], settings, ctx.obj, elsewhere) as call:
                if engine:
                    _ = call.engine  # its options cannot be right or wrong only where it is used
                code = function(call, **_built(function, flat))
                call.print_profile()
            return code

        wrapper.needs_database = database  # type: ignore[attr-defined]
        return _stand_in(wrapper, function, *([EngineOptions] if engine else []), CommonOptions)

    return decorate


def callback(function: Command) -> Command:
    """Makes a function one that is called with its context before a command is, or beside one. The common options that
    stand there are kept for the command.
    """

    def wrapper(ctx: typer.Context, **flat: Any) -> int | None:
        ctx.obj.given = ctx.obj.give(flat, COMMON)
        return function(ctx, **_built(function, flat))

    return _stand_in(wrapper, function, CommonOptions)


def _naming_tables(found: dict[str, Found], settings: Settings) -> tuple[str, ...]:
    """The options of the command line by which another command is about the same tables; without any password."""
    named = settings.database_url and found["database_url"].source == "flag"
    words = ["-d", without_password(settings.database_url)] if named else []
    for name in SAME_TABLES:
        if found[name].source == "flag":
            words += [f"--{name.replace('_', '-')}", str(found[name].value)]
    return tuple(words)


_takers: dict[Callable[..., Any], tuple[Taker, ...]] = {}
"""What takes the options of each command: the function that it stands for, and groups besides the function's own."""


def _stand_in(wrapper: Command, function: Command, *groups: Group) -> Command:
    """Lets the wrapper stand for the function, so far without its parameters: `give_options` adds them."""
    functools.update_wrapper(wrapper, function)
    wrapper.about = About.of(function.__doc__)  # type: ignore[attr-defined]
    wrapper.__doc__ = wrapper.about.help  # type: ignore[attr-defined]
    del wrapper.__wrapped__  # type: ignore[attr-defined]
    _takers[wrapper] = function, *groups
    _describe(wrapper, [])
    return wrapper


def give_options(wrapper: Callable[..., Any] | None, *, common: bool = True) -> None:
    """Gives a command its own parameters and the common ones, which is what Typer reads.

    Only the command that is called needs them: for all of them Typer takes as long as to be imported.
    """
    if wrapper not in _takers:
        return
    takers = [taker for taker in _takers[wrapper] if common or taker is not CommonOptions]
    _describe(wrapper, [option for taker in takers for option in _options(taker)])


def _describe(wrapper: Command, options: list[inspect.Parameter]) -> None:
    context = inspect.Parameter("ctx", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
    wrapper.__signature__ = inspect.Signature([context, *options])  # type: ignore[attr-defined]
    wrapper.__annotations__ = {p.name: p.annotation for p in (context, *options)}


def _parameters(taker: Taker) -> list[inspect.Parameter]:
    """Those of a group of options, or of a command without its first one, which is no option."""
    parameters = list(inspect.signature(taker, eval_str=True).parameters.values())
    return parameters if isinstance(taker, type) else parameters[1:]


def _is_group(annotation: Any) -> TypeGuard[Group]:
    return isinstance(annotation, type) and is_dataclass(annotation)


def _options(taker: Taker) -> Iterator[inspect.Parameter]:
    """One by one, every option that a command or a group takes; those of a group in its place."""
    for parameter in _parameters(taker):
        if _is_group(parameter.annotation):
            yield from _options(parameter.annotation)
        else:
            yield parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)


def _built(taker: Taker, flat: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a command or a group, of the values that Typer gives for its options one by one."""
    return {
        p.name: p.annotation(**_built(p.annotation, flat)) if _is_group(p.annotation) else flat[p.name]
        for p in _parameters(taker)
    }


def find_settings(flags: dict[str, Any]) -> dict[str, Found]:
    """Each of the flags, and the settings that have none, as the flag, the environment or a file says."""
    return settle(flags, KINDS, os.environ)


def find_files() -> tuple[Path, ...]:
    """The files in which settings may be."""
    return files(os.environ)
