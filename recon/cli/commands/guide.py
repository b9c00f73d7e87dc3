"""`recon guide`: the longer texts, which travel with the program."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Annotated

import typer

from recon.cli.call import Call
from recon.cli.common import command
from recon.core.errors import UsageError, document

PLACE = Path(__file__).parents[1] / "guides"
FILES = {
    "nightly-alerts.yml": "Alert rules for Prometheus, a file to load",
    "nightly-dashboard.json": "A dashboard for Grafana, a file to import",
}
"""What lies beside the guides and is printed as it is: its name, and what it is."""


def titles() -> dict[str, str]:
    """Every guide's name and title, which is its first line; after them the files."""
    guides = {path.stem: _read(path).partition("\n")[0].lstrip("# ") for path in sorted(PLACE.glob("*.md"))}
    return guides | FILES


def _offered(incomplete: str) -> list[tuple[str, str]]:
    return [(name, title) for name, title in titles().items() if name.startswith(incomplete)]


Name = Annotated[str | None, typer.Argument(metavar="NAME", help="Of a guide.", autocompletion=_offered)]


@command(database=False)
def guide(call: Call, name: Name = None) -> None:
    """The guides: every night, timeouts, poolers, privileges ...

    Without a name it says which there are.

    Risks: {needs_no_database}
    Output: a line per guide; or one guide, rendered on a terminal and as Markdown elsewhere. With --json one document:
        guides with name and title; or name, title, text.
    Exit status: 0; 2.
    Examples:
        recon guide
        recon guide nightly
        recon guide nightly-alerts.yml > recon-alerts.yml
    """
    known = titles()
    if name is None:
        if call.json:
            listed = [{"name": one, "title": title} for one, title in known.items()]
            return call.print_json(document("guide", guides=listed))
        width = max(map(len, known))
        for one, title in known.items():
            call.say(f"{one:{width}}  {title}")
        return None
    if name not in known:
        raise UsageError(f"there is no guide '{name}'", f"name one of {', '.join(known)}")
    text = _read(PLACE / (name if name in FILES else f"{name}.md"))
    if call.json:
        return call.print_json(document("guide", name=name, title=known[name], text=text))
    return _show(call, text, rendered=name not in FILES)


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _show(call: Call, text: str, *, rendered: bool) -> None:
    if not (rendered and sys.stdout.isatty()) or call.console.options.ascii_only:
        sys.stdout.write(text)
        return
    from rich.markdown import Markdown
    from rich.theme import Theme

    with call.console.use_theme(Theme({"markdown.code": "bold"})):  # its own has a black background
        call.console.print(Markdown(_for_a_terminal(text), code_theme="ansi_dark", hyperlinks=False))


def _for_a_terminal(text: str) -> str:
    """The Markdown for who cannot follow its links: guides by their command, others by their text; and without the
    languages of its code, whose colours suit few terminals.

    >>> _for_a_terminal("[late](timeouts.md#locks), [README](../../../README.md), [Dask](https://dask.org)")
    "late ('recon guide timeouts'), README, [Dask](https://dask.org)"
    """
    text = re.sub(r"^```\w+$", "```text", text, flags=re.MULTILINE)
    text = re.sub(r"\[([^\]]+)\]\(([\w-]+)\.md(?:#[\w-]*)?\)", r"\1 ('recon guide \2')", text)
    return re.sub(r"\[([^\]]+)\]\((?!https?:)[^)]*\)", r"\1", text)
