"""`python -m tests.faults.table`: the tables of faults, made from the results files and from nothing else."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from tests.faults import results
from tests.faults.results import Line
from tests.support.readme import README, rewrite

HERE = Path(__file__).parent
STORED = [HERE / name for name in ("results.csv", "cluster.csv")]
NAME, SHORT_NAME = "faults", "survives"
"""Of the places of the whole table in the README beside this, and of the sums in the README."""
HEADER = ("fault", "runs", "exit", "what the user sees", "lost")
TITLES = {
    "kills": "recon is killed",
    "server": "the server",
    "network": "the network",
    "limits": "timeouts, locks, space",
    "rivals": "others at work on the same tables",
    "privileges": "privileges",
    "ledger": "the ledger",
    "local": "this machine",
    "environments": "first contact: servers and machines as they are",
    "others_rows": "what is not recon's",
    "odd_values": "values that no calculation can use",
    "odd_tables": "tables that do not take the rows",
    "truth": "tables that only look reconciled",
    "figures": "figures that are not what they seem",
    "honesty": "what cannot go well is said",
    "cluster": "a Dask cluster (`--engine dask`)",
}
SUMS = {
    "`recon` is killed, at random or at a given step": ("kills",),
    "the server or the network fails": ("server", "network"),
    "timeouts, locks, no space, no privilege": ("limits", "privileges"),
    "others work on the same tables": ("rivals", "others_rows"),
    "machines, tables, values and figures that are odd or damaged": (
        *("ledger", "local", "environments", "odd_values", "odd_tables", "truth", "figures", "honesty"),
    ),
    "a Dask cluster loses its parts": ("cluster",),
}
"""Kinds of faults that are counted together in the README."""
SEEN = 110


def markdown(files: Sequence[tuple[dict[str, str], Sequence[Line]]]) -> str:
    """When and how each file was measured, then one table of all: each kind of fault begins with its name, and faults
    of a kind that end in the same way share a row.
    """
    table = [HEADER, ("---", "---:", "---", "---", "---:")]
    lines = [line for _, found in files for line in found]
    for kind, group in groupby(lines, key=lambda line: line["kind"]):
        alike: dict[tuple[str, ...], list[Line]] = {}
        for line in group:
            alike.setdefault(_ending(line), []).append(line)
        (first, *more), *others = (_cells(ending, several) for ending, several in alike.items())
        table += [(f"**{TITLES[kind]}**<br>{first}", *more), *others]
    runs, lost = (sum(int(line[name] or 0) for line in lines) for name in ("runs", "lost"))
    table.append(("**all**", f"**{runs:,}**", "", "", f"**{lost}**"))
    rows = "\n".join("| " + " | ".join(cells) + " |" for cells in table)
    measured = "\n\n".join(
        f"{facts['date']}, commit {facts['commit']}, {facts['versions']}: `{facts['command']}`" for facts, _ in files
    )
    return f"{measured}\n\n{rows}"


def short(files: Sequence[tuple[dict[str, str], Sequence[Line]]]) -> str:
    """A table of how many faults of each sum were inflicted, and how many rows were lost by them."""
    lines = [line for _, found in files for line in found]
    rows = ["| what happened | times | rows lost |", "| --- | ---: | ---: |"]
    for title, kinds in SUMS.items():
        of_these = [line for line in lines if line["kind"] in kinds]
        runs, lost = (sum(int(line[name] or 0) for line in of_these) for name in ("runs", "lost"))
        rows.append(f"| {title} | {runs:,} | {lost} |")
    return "\n".join(rows)


def _ending(line: Line) -> tuple[str, ...]:
    """Exit codes, what the user sees, and rows lost, as cells."""
    if line["note"].startswith("not tried"):
        return ("", line["note"], "")
    codes = ", ".join("killed" if code == "-9" else code for code in line["exit codes"].split())
    return (codes, _short(line["what the user sees"]), line["lost"])


def _cells(ending: tuple[str, ...], lines: Sequence[Line]) -> tuple[str, ...]:
    """The row of faults that end so."""
    names = "<br>".join(line["fault"].replace("|", "¦") for line in lines)
    return (names, f"{sum(int(line['runs'] or 0) for line in lines):,}", *ending)


def _short(text: str) -> str:
    """A line for a cell: as code, not too long."""
    kept = text if len(text) <= SEEN else text[: SEEN - 2] + " …"
    return f"`{kept.replace('|', '¦').replace('`', chr(39))}`" if kept else ""


def main() -> None:
    """Rewrites the tables; `--print` only shows the whole one."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.table", description=__doc__)
    parser.add_argument("--results", type=Path, nargs="+", default=STORED)
    parser.add_argument("--print", action="store_true", help="show the table, write nothing")
    options = parser.parse_args()
    files = [results.read(path) for path in options.results]
    if options.print:
        print(markdown(files))
        return
    rewrite(HERE / "README.md", {NAME: markdown(files)})
    rewrite(README, {SHORT_NAME: short(files)})


if __name__ == "__main__":
    main()
