"""The documents: the README, the guides, and what is measured.

Their console examples are run against the real program, and written anew with `python -m tests.support.readme`. A line
of three dots in one stands for lines that are left out. Their tables are made by other programs from stored results.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from tests.support.servers import temporary_home

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
GUIDES = {path.stem: path for path in sorted((ROOT / "recon" / "cli" / "guides").glob("*.md"))}
MEASURED = (ROOT / "benchmarks" / "README.md", ROOT / "tests" / "faults" / "README.md")
DOCUMENTS = (README, *GUIDES.values())
"""What a user reads about the program; their console examples are run in this order, on one server."""
EXAMPLE = re.compile(r"```console\n\$ (recon [^\n]+)\n(.*?)```", re.DOTALL)
SHOWN_HOME = "~/.local/share/recon"
DOTS = "..."


def examples(text: str) -> list[tuple[str, str]]:
    """(command, output) of every console block, in order."""
    return [(match[1], match[2]) for match in EXAMPLE.finditer(text)]


def blocks(language: str, *documents: Path) -> list[str]:
    """The blocks of code in a language; of all documents, unless some are named."""
    texts = [path.read_text(encoding="utf-8") for path in documents or DOCUMENTS]
    return [block for text in texts for block in re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)]


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


def rewrite(path: Path, tables: dict[str, str]) -> None:
    """Writes tables into a document, each between its markers; SystemExit where these are not there."""
    text = path.read_text(encoding="utf-8")
    try:
        for name, table in tables.items():
            text = with_table(text, name, table)
    except ValueError as error:
        raise SystemExit(f"{path}: {error}") from None
    path.write_text(text, encoding="utf-8")


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
            "PYTHONPATH": str(ROOT),
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


def cut(output: str, shown: str) -> str:
    """The output with what `shown` leaves out left out: its parts between dots begin and end with lines that are there
    but for their figures. ValueError where they are not.

    >>> cut("a 1\\nb\\nc\\nd 2\\ne\\n", "a 7\\nb\\n...\\nd 9\\n...\\n")
    'a 1\\nb\\n...\\nd 2\\n...\\n'
    """
    parts = re.split(rf"^{re.escape(DOTS)}\n", shown, flags=re.MULTILINE)
    if len(parts) == 1:
        return output
    lines, at, kept = output.splitlines(), 0, []
    for part in parts:
        ends = part.splitlines()
        if ends:
            begin = _find(lines, ends[0], at)
            at = _find(lines, ends[-1], begin + len(ends) - 1 if ends[0] == ends[-1] else begin) + 1
        kept.append("".join(f"{line}\n" for line in (lines[begin:at] if ends else [])))
    return f"{DOTS}\n".join(kept)


def _find(lines: list[str], wanted: str, start: int) -> int:
    for number, line in enumerate(lines[start:], start):
        if _without_figures(line) == _without_figures(wanted):
            return number
    raise ValueError(f"the output has no line like {wanted!r}")


def _without_figures(line: str) -> str:
    return re.sub(r"\d+", "0", timeless(line))


def main() -> None:
    """Writes the output of every example into its document."""
    argparse.ArgumentParser(prog="python -m tests.support.readme", description=main.__doc__).parse_args()
    with temporary_home() as home:

        def rewritten(match: re.Match[str]) -> str:
            return f"```console\n$ {match[1]}\n{cut(run(match[1], home), match[2])}```"

        for path in DOCUMENTS:
            text = path.read_text(encoding="utf-8")
            path.write_text(EXAMPLE.sub(rewritten, text), encoding="utf-8")


if __name__ == "__main__":
    main()
