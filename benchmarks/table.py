"""`python -m benchmarks.table`: the tables of results, made from the results file and from nothing else."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path

from benchmarks import results
from benchmarks.data import ROOT
from benchmarks.results import Line
from tests.support.readme import README, rewrite

HERE = ROOT / "benchmarks"
NAME, SHORT_NAME = "benchmarks", "speed"
"""Of the places of the whole table in the README beside this, and of a few rows in the README."""
OTHER_NAME = "benchmarks-debian"
"""Of the place of the same on Debian's server, in the README beside this."""
HEADER = ("case", "contender", "seconds", "rows/s", "x SQL", "x limit", "peak MB", "MB from server", "MB to server")
FEW = {
    "backfill": "fill every row, 1x",
    "backfill 10x": "fill every row, 10x",
    "as found": "fill the third that is missing, 1x",
    "holes": "fill scattered holes, 1x",
    "nothing to do 10x": "find nothing to do, 10x",
    "values (nothing wrong)": "check all values, none wrong, 1x",
}
"""Cases that the README has, and what it calls them."""
SHORT_HEADER = ("what", "recon", "SQL statement", "memory of recon")


def markdown(lines: Sequence[Line]) -> str:
    """One table, its cases in the order of the file; before it what it was measured on, after it the notes."""
    table = [HEADER, ("---", "---", *["---:"] * (len(HEADER) - 2))]
    for case, group in groupby(lines, key=case_name):
        table += [(case if number == 0 else "", *_cells(line)) for number, line in enumerate(group)]
    rows = grid(table)
    return "\n\n".join(filter(None, (_circumstances(lines), rows, _notes(lines))))


def short(lines: Sequence[Line]) -> str:
    """A table of a few cases: how long recon takes, and the SQL statement."""
    by = {(case_name(line), line["contender"]): line for line in lines}
    table = [SHORT_HEADER, ("---", *["---:"] * (len(SHORT_HEADER) - 1))]
    for case, what in FEW.items():
        times = (f"{seconds(by[case, contender]['seconds'])} s" for contender in SHORT_HEADER[1:3])
        table.append((what, *times, f"{float(by[case, 'recon']['peak_mb']):.0f} MB"))
    keys = {
        line["scale"]: f"{line['scale']}x: {int(line['keys']):,} keys"
        for line in lines
        if case_name(line) in FEW and line["keys"]
    }
    rows = grid(table)
    return f"{rows}\n\n{'; '.join(keys.values())}."


def grid(table: Iterable[Sequence[str]]) -> str:
    """Rows of cells as Markdown."""
    return "\n".join("| " + " | ".join(cells) + " |" for cells in table)


def measured_on(line: Line) -> str:
    """The commit, the machine and the versions of a line."""
    return f"{line['commit']}, {line['cores']} cores shared with the server, {line['versions']}."


def case_name(line: Line) -> str:
    """`backfill 10x`; without the scale where that is 1x."""
    return line["case"] if line["scale"] == "1" else f"{line['case']} {line['scale']}x"


def _cells(line: Line) -> tuple[str, ...]:
    if not line["seconds"]:
        return (line["contender"], "wrong answer" if "instead of" in line["note"] else "failed", *[""] * 6)
    spread = f"{seconds(line['seconds'])} ({seconds(line['seconds_min'])}-{seconds(line['seconds_max'])})"
    rate = f"{int(line['rows_per_second']):,}" if line["rows_per_second"] else ""
    ratios = (f"{float(line[name]):.2f}" if line[name] else "" for name in ("ratio_to_sql", "ratio_to_limit"))
    moved = (megabytes(line[name]) for name in ("bytes_from_server", "bytes_to_server"))
    return (line["contender"], spread, rate, *ratios, f"{float(line['peak_mb']):.0f}", *moved)


def seconds(text: str) -> str:
    """Seconds in three digits.

    >>> [seconds(text) for text in ("0.0941", "2.931", "40.22", "207.16")]
    ['0.09', '2.93', '40.2', '207']
    """
    value = float(text)
    return f"{value:.{2 if value < 10 else 1 if value < 100 else 0}f}"


def megabytes(text: str) -> str:
    """Bytes as megabytes.

    >>> [megabytes(text) for text in ("", "475", "13689211")]
    ['', '0.00', '13.7']
    """
    value = float(text or 0) / 1e6
    return f"{value:.{2 if value < 1 else 1}f}" if text else ""


def _circumstances(lines: Sequence[Line]) -> str:
    """What the lines were measured on: first most of them, then each case that an older commit has, by name."""
    of_commit: dict[str, list[Line]] = {}
    for line in lines:
        of_commit.setdefault(line["commit"], []).append(line)
    told = []
    for some in of_commit.values():
        named = f"{', '.join(dict.fromkeys(map(case_name, some)))}: commit" if told else "Commit"
        told.append(f"{named} {measured_on(some[0])} {_sizes(some)}.")
    return f"{' '.join(told)} Medians (fastest-slowest)."


def _sizes(lines: Sequence[Line]) -> str:
    """How many dates and keys each scale has, and how many rounds at least."""
    sizes: dict[str, tuple[str, int, int]] = {}
    for line in lines:
        if line["keys"] and line["seconds"]:
            fewest = min(int(line["rounds"]), sizes.get(line["scale"], ("", 0, sys.maxsize))[2])
            sizes[line["scale"]] = (line["dates"], int(line["keys"]), fewest)
    return "; ".join(
        f"{scale}x: {dates} dates, {keys:,} keys, {rounds} rounds" for scale, (dates, keys, rounds) in sizes.items()
    )


def _notes(lines: Sequence[Line]) -> str:
    notes: dict[str, list[str]] = {}
    for line in lines:
        if line["note"] and line["contender"] not in notes.setdefault(line["note"], []):
            notes[line["note"]].append(line["contender"])
    return "\n".join(f"- {', '.join(names)}: {note}" for note, names in notes.items())


def main() -> None:
    """Rewrites the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.table", description=__doc__)
    parser.add_argument("--results", type=Path, default=HERE / "results.csv")
    parser.add_argument("--debian", type=Path, default=HERE / "results-debian.csv")
    options = parser.parse_args()
    lines, others = results.read(options.results), results.read(options.debian)
    rewrite(HERE / "README.md", {NAME: markdown(lines), OTHER_NAME: markdown(others)})
    rewrite(README, {SHORT_NAME: short(lines)})


if __name__ == "__main__":
    main()
