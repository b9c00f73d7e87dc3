"""Who says what a setting is: a flag, the environment, `recon.toml` in the working directory, or the user's own."""

from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from recon.core.address import normalize_url, secrets_in
from recon.core.environment import FILE_VARIABLE, user_path, users_folder, variable
from recon.core.errors import UsageError

FILE = "recon.toml"
OTHERS_MAY_READ = 0o077
OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH
ROOT = 0
WANTED = {
    Path: "a path in quotes",
    str: "text in quotes",
    list: 'texts in brackets, as ["site=north"]',
    float: "a number",
    bool: "true or false",
}
"""What a file has to hold, by the kind of a setting."""


@dataclass(frozen=True)
class Found:
    """A setting's value (None: nobody says), the source (flag | environment | file | default), and which one."""

    value: Any
    source: str
    where: str = ""


def files(environ: Mapping[str, str]) -> tuple[Path, ...]:
    """Where a file of settings may be, the one that wins first: the working directory, and the user's configuration.
    The one alone that the environment names.
    """
    if named := environ.get(FILE_VARIABLE):
        return (user_path(named, FILE_VARIABLE),)
    users = users_folder("config")
    return (Path(FILE), users / FILE) if users else (Path(FILE),)


def settle(flags: Mapping[str, Any], kinds: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, Found]:
    """Every setting that has a flag, and those that have none.

    kinds: what type each setting is of that a file may hold. UsageError for a file that cannot be right.
    """
    in_files: dict[str, Found] = {}
    named = bool(environ.get(FILE_VARIABLE))
    for path in reversed(files(environ)):
        in_files |= read(path, kinds, named=named)
    names = [*flags, *(name for name in kinds if name not in flags)]
    return {name: _found(name, flags.get(name), in_files, kinds, environ) for name in names}


def _found(
    name: str, flag: Any, in_files: Mapping[str, Found], kinds: Mapping[str, Any], environ: Mapping[str, str]
) -> Found:
    if flag is not None:
        return Found(flag, "flag")
    if named := variable(name, environ):
        text = environ[named]
        return Found(user_path(text, named) if kinds[name] is Path else text, "environment", named)
    return in_files.get(name) or Found(None, "default")


def read(path: Path, kinds: Mapping[str, Any], *, named: bool = False) -> dict[str, Found]:
    """What a file says; nothing where there is none. UsageError names the file and the key.

    named: by the user, so that it has to be there and is taken, whoever else may write it.
    """
    try:
        with path.open("rb") as file:
            if not named:
                _trust(path, os.fstat(file.fileno()))
            data = file.read()
    except (FileNotFoundError, NotADirectoryError) as error:
        if named:
            raise UsageError(f"{path} cannot be read: {error.strerror}", f"mend {FILE_VARIABLE}") from None
        return {}
    except OSError as error:
        hint = f"mend or remove it, or set HOME or {FILE_VARIABLE}"
        raise UsageError(f"{path} cannot be read: {error.strerror}", hint) from None
    import tomllib

    path = path.absolute()
    try:
        values = tomllib.loads(data.decode())
    except ValueError as error:
        reason = "it is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else error
        raise UsageError(f"{path} is not TOML: {reason}", 'write key = "value", a line each') from None
    for name in values:
        if name not in kinds:
            raise _unknown(path, name, list(kinds))
    found = {
        name: Found(_converted(path, name, kinds[name], value), "file", str(path)) for name, value in values.items()
    }
    _keep_secret(path, values.get("database_url", ""))
    return found


def _trust(path: Path, file: os.stat_result) -> None:
    """Refuses a file that lies where it is found and may be somebody else's: it could name the database, the log file
    and whom to tell.
    """
    if os.name != "posix":
        return
    given = shlex.quote(str(path.absolute()))
    if file.st_uid not in (ROOT, os.geteuid()):
        raise UsageError(
            f"{path.absolute()} belongs to another user", f"name it to have it read: {FILE_VARIABLE}={given}"
        )
    if file.st_mode & OTHERS_MAY_WRITE:
        hint = f"chmod go-w {given}, or name it to have it read: {FILE_VARIABLE}={given}"
        raise UsageError(f"others may write {path.absolute()}", hint)
    for directory in {path.absolute().parent, path.resolve().parent}:
        mode = directory.stat().st_mode
        if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
            hint = f"chmod o-w {shlex.quote(str(directory))}, or name it to have it read: {FILE_VARIABLE}={given}"
            raise UsageError(f"others may replace {path.absolute()}", hint)


def _unknown(path: Path, name: str, names: list[str]) -> UsageError:
    from difflib import get_close_matches

    near = get_close_matches(name.replace("-", "_"), names, 1)
    meant = f"did you mean {near[0]}? " if near else ""
    settings = ", ".join(names)
    return UsageError(f"{path} has a key {name!r}, which is no setting", f"{meant}settings are {settings}")


def _converted(path: Path, name: str, kind: Any, value: Any) -> Any:
    """A value as its flag would give it; a path begins at the file's own directory."""
    if kind is Path and isinstance(value, str):
        return path.parent / (user_path(value, f"{path}: {name}") if value.startswith("~") else value)
    if kind is float and type(value) is int:
        return float(value)
    if issubclass(kind, StrEnum) and value in list(kind):
        return kind(value)
    if type(value) is not kind or kind is Path or (kind is list and not all(isinstance(one, str) for one in value)):
        wanted = WANTED.get(kind) or " or ".join(f"'{choice}'" for choice in kind)
        raise UsageError(f"{path}: {name} is {value!r}", f"write {wanted}")
    return value


def _keep_secret(path: Path, database_url: str) -> None:
    """Refuses a file with a password that others may read, as ssh does with keys."""
    try:
        secret = bool(database_url) and bool(secrets_in(normalize_url(database_url)))
    except UsageError as error:
        raise UsageError(f"{path}: {error.message}", error.hint) from None
    if secret and os.name == "posix" and path.stat().st_mode & OTHERS_MAY_READ:
        raise UsageError(f"{path} holds a password and others may read it", f"chmod 600 {path}, or use ~/.pgpass")
