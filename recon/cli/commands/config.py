"""`recon config`: every setting, and who said so."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import typer

from recon.cli.call import Call
from recon.cli.common import callback, find_files, find_settings
from recon.cli.settings import Found
from recon.cli.shared_options import KINDS, OTHERWISE
from recon.core.address import normalize_url, without_password
from recon.core.environment import find_database_url, parse_settings
from recon.core.errors import UsageError, document

UNSET = "not set"
"""What is shown of a setting that nobody made and that has no default."""
group = typer.Typer(help="Every setting, its value and where it comes from.")


@group.command("show")
@callback
def show(ctx: typer.Context) -> None:
    """Every setting, its value and where it comes from; secrets are hidden.

    Risks: {needs_no_database}
    Output: a line per setting: name, value (not set: there is none), and flag, environment, file or default with the
        variable or file. Passwords and the addresses of messages are hidden.
    Exit status: 0 every setting is in order; 2.
    Examples:
        recon config show
        recon config show --json
    """
    found = find_settings(dict(ctx.obj.given))
    settings = parse_settings({name: setting.value for name, setting in found.items()}, database=False)
    call = Call("config show", settings)
    rows = [
        (name, _shown(name, setting, settings.home), setting)
        for name, setting in _with_libpq(found).items()
        if name in KINDS
    ]
    places = [(path.absolute(), path.exists()) for path in find_files()]
    if call.json:
        return call.print_json(_document(rows, places))
    table = [("setting", "value", "from"), *((name, value, f"{s.source} {s.where}") for name, value, s in rows)]
    names, values = (max(len(row[column]) for row in table) for column in (0, 1))
    for name, value, source in table:
        call.say(f"{name:{names}}  {value:{values}}  {source}".rstrip())
    for path, there in places:
        call.say(f"{path}: {'read' if there else 'not there'}")
    return None


def _with_libpq(found: dict[str, Found]) -> dict[str, Found]:
    """The same; where nobody names a database and libpq's own variables do, they are what counts."""
    if found["database_url"].value is None:
        with suppress(UsageError):
            url = find_database_url(None)
            return found | {"database_url": Found(url, "environment", "PG*")}
    return found


def _shown(name: str, setting: Found, home: object) -> str:
    """A value fit to be shown: yes and no as the file has them, a default in the words of the option's help."""
    if KINDS[name] is bool:
        return str(bool(setting.value)).lower()
    if setting.value is None:
        return str(home) if name == "home" else OTHERWISE.get(name, UNSET)
    if KINDS[name] is list:
        return ", ".join(setting.value)
    return HIDING[name](setting.value) if name in HIDING else str(setting.value)


def _message_place(url: str) -> str:
    from recon.cli.nightly.notify import place

    return f"{place(url)}/..."


HIDING: dict[str, Callable[[str], str]] = {
    "database_url": lambda url: without_password(normalize_url(url)),
    "ping_url": _message_place,
    "webhook": _message_place,
}
"""How the settings that hold secrets are shown."""


def _document(rows: list[tuple[str, str, Found]], places: list[tuple[Any, bool]]) -> dict[str, Any]:
    settings = [
        {
            "name": name,
            "value": None if value == UNSET else value,
            "source": setting.source,
            "where": setting.where or None,
        }
        for name, value, setting in rows
    ]
    read = [{"path": str(path), "read": there} for path, there in places]
    return document("config show", files=read, settings=settings)
