"""The README's console examples: run against the real program, and written anew with `python -m tests.support.readme`;
and its tables, which other programs make from stored results.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from tests.support.servers import temporary_home

README = Path(__file__).parents[2] / "README.md"
EXAMPLE = re.compile(r"```console\n\$ (recon [^\n]+)\n(.*?)```", re.DOTALL)
SHOWN_HOME = "~/.local/share/recon"


def examples(text: str) -> list[tuple[str, str]]:
    """(command, output) of every console block, in order."""
    return [(match[1], match[2]) for match in EXAMPLE.finditer(text)]


def blocks(language: str) -> list[str]:
    """The README's blocks of code in a language."""
    return re.findall(rf"```{language}\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


def with_table(text: str, name: str, table: str) -> str:
    """The text with the table between the markers of its name; ValueError unless these are there once, in order.

    >>> with_table("<!-- faults -->old<!-- /faults -->.", "faults", "new")
    '<!-- faults -->\\nnew\\n<!-- /faults -->.'
    """
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    if text.count(begin) != 1 or text.count(end) != 1 or text.index(begin) > text.index(end):
        raise ValueError(f"there has to be one {begin} and after it one {end}")
    before, _, rest = text.partition(begin)
    return f"{before}{begin}\n{table}\n{end}{rest.partition(end)[2]}"


def run(command: str, home: Path) -> str:
    """What the command prints on a terminal's stdout and stderr, with a home of its own, where it also works."""
    hidden = ("PG", "RECON_", "DATABASE_URL")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
    program = [sys.executable, "-m", "recon", *shlex.split(command)[1:]]
    done = subprocess.run(
        program,
        cwd=home,
        env={
            **environment,
            "PYTHONPATH": str(README.parent),
            "RECON_HOME": str(home),
            "XDG_CONFIG_HOME": str(home / "config"),
            "NO_COLOR": "1",
            "COLUMNS": "80",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=100,
        check=False,
    )
    lines = (line.rstrip() for line in done.stdout.replace(str(home), SHOWN_HOME).splitlines())
    return "\n".join(lines) + "\n"


def timeless(text: str) -> str:
    """The text without what differs from run to run: seconds, run ids, times, and where a query spends its time."""
    text = re.sub(r"slowest: .*?\n(?=\S|\n)", "slowest: _\n", text, flags=re.DOTALL)
    text = re.sub(r"^.*, \d+ s so far\n", "", text, flags=re.MULTILINE)  # said where a server starts slowly
    text = re.sub(r" *\b\d+\.\d{3} s\b", " _ s", text)
    text = re.sub(r"\d+\.\d s\b", "_ s", text)
    text = re.sub(r"""(?<![^\s'"(=/])[0-9a-f]{8}(?![^\s'"),;:/])""", "run_id__", text)
    return re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "a time", text)


def main() -> None:
    """Writes the output of every example into the README."""
    text = README.read_text(encoding="utf-8")
    with temporary_home() as home:

        def rewritten(match: re.Match[str]) -> str:
            return f"```console\n$ {match[1]}\n{run(match[1], home)}```"

        README.write_text(EXAMPLE.sub(rewritten, text), encoding="utf-8")


if __name__ == "__main__":
    main()
