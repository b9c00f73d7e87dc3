"""`python -m benchmarks.table`: the README's table of results, made from the results file and from nothing else."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from benchmarks import results
from benchmarks.data import ROOT
from benchmarks.results import Line
from tests.support.readme import with_table

NAME = "benchmarks"
"""Of its place in the README."""
HEADER = ("case", "contender", "seconds", "rows/s", "x SQL", "x limit", "peak MB", "MB from server", "MB to server")


def markdown(lines: Sequence[Line]) -> str:
    """One table, its cases in the order of the file; before it what it was measured on, after it the notes."""
    table = [HEADER, ("---", "---", *["---:"] * (len(HEADER) - 2))]
    for case, group in groupby(lines, key=case_name):
        table += [(case if number == 0 else "", *_cells(line)) for number, line in enumerate(group)]
    rows = "\n".join("| " + " | ".join(cells) + " |" for cells in table)
    return "\n\n".join(filter(None, (_circumstances(lines), rows, _notes(lines))))


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
    first = lines[0]
    sizes: dict[str, tuple[str, int, int]] = {}
    for line in lines:
        if line["keys"] and line["seconds"]:
            fewest = min(int(line["rounds"]), sizes.get(line["scale"], ("", 0, sys.maxsize))[2])
            sizes[line["scale"]] = (line["dates"], int(line["keys"]), fewest)
    data = "; ".join(
        f"{scale}x: {dates} dates, {keys:,} keys, {rounds} rounds" for scale, (dates, keys, rounds) in sizes.items()
    )
    shared = f"Commit {first['commit']}, {first['cores']} cores shared with the server, {first['versions']}."
    return f"{shared} {data}. Medians (fastest-slowest)."


def _notes(lines: Sequence[Line]) -> str:
    notes: dict[str, list[str]] = {}
    for line in lines:
        if line["note"] and line["contender"] not in notes.setdefault(line["note"], []):
            notes[line["note"]].append(line["contender"])
    return "\n".join(f"- {', '.join(names)}: {note}" for note, names in notes.items())


def main() -> None:
    """Rewrites the table in the README."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.table", description=__doc__)
    parser.add_argument("--results", type=Path, default=ROOT / "benchmarks" / "results.csv")
    parser.add_argument("--readme", type=Path, default=ROOT / "README.md")
    options = parser.parse_args()
    text = options.readme.read_text(encoding="utf-8")
    try:
        text = with_table(text, NAME, markdown(results.read(options.results)))
    except ValueError as error:
        raise SystemExit(f"{options.readme}: {error}") from None
    options.readme.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
