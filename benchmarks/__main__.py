"""`python -m benchmarks`: everything in one run, on a server of its own; the table of it in the end."""

from __future__ import annotations

import argparse
import compileall
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks import cases, data, results, server, table
from benchmarks.cases import CASES, Case
from tests.support.servers import Server

NEEDED = ("duckdb", "duckdb_extension_postgres_scanner", "fastrecon", "pandas", "sqlalchemy", "psycopg")
HERE = Path(__file__).parent
STORED = {server.EMBEDDED: HERE / "results.csv", server.DEBIAN: HERE / "results-debian.csv"}
"""Where the results are kept, by the kind of server; those of a quick run only where `--out` says."""


def parsed(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a minute: few dates, contenders and rounds")
    parser.add_argument("--rounds", type=int, default=None, help="how often each contender runs at 1x (5)")
    parser.add_argument("--rounds-beyond", type=int, default=None, help="and beyond (as often)")
    parser.add_argument(
        "--scale", type=int, default=[1], nargs="*", help="also at so many times the farms: 10, or 3 10"
    )
    parser.add_argument("--cases", default="", help="only these, separated by commas; start-up is one")
    parser.add_argument("--server", choices=STORED, default=server.EMBEDDED, help="the wheel's PostgreSQL, or Debian's")
    parser.add_argument("--out", type=Path, help="the file of results (benchmarks/results*.csv; if --quick: none)")
    options = parser.parse_args(arguments)
    options.rounds = options.rounds or (2 if options.quick else 5)
    options.rounds_beyond = options.rounds_beyond or options.rounds
    options.days = data.QUICK_DAYS if options.quick else data.DAYS
    options.out = options.out or (None if options.quick else STORED[options.server])
    return options


def chosen(wanted: str, scale: int) -> list[Case]:
    """The cases of a scale: all at 1x, the ones that grow beyond."""
    names = [name.strip() for name in wanted.split(",") if name.strip()]
    unknown = set(names) - {"start-up", *(case.name for case in CASES)}
    if unknown:
        raise SystemExit(f"no such case: {', '.join(sorted(unknown))}")
    return [case for case in CASES if (scale == 1 or case.at_any_scale) and (not names or case.name in names)]


def main() -> int:
    """Runs what was asked for; 1 when a contender gave a wrong answer."""
    options = parsed()
    absent = [name for name in NEEDED if not find_spec(name)]
    if absent and not options.quick:
        raise SystemExit(f"not installed: {', '.join(absent)}; pip install '.[bench]'")
    chosen(options.cases, 1)
    compileall.compile_dir(data.ROOT / "recon", quiet=1)  # as pip does
    rows: list[dict[str, Any]] = []
    with server.running(options.server) as running:
        common = results.circumstances(server.version_of(running))
        if not options.cases or "start-up" in options.cases:
            rounds = options.rounds if options.quick else max(options.rounds, 5)
            rows += [line | common for line in cases.startup(running.url, rounds, say)]
        for scale in sorted({1, *options.scale}):
            at_scale(running, scale, options, rows, common)
    if options.out:
        say(f"written to {options.out}")
    print(table.markdown(results.as_lines(rows)))
    return 0 if all(row.get("seconds") for row in rows) else 1


def at_scale(
    running: Server, scale: int, options: argparse.Namespace, rows: list[dict[str, Any]], common: dict[str, Any]
) -> None:
    """Adds the rows of one scale; what is measured so far is written after each case."""
    todo = chosen(options.cases, scale)
    if not todo:
        return
    rounds = options.rounds if scale == 1 else options.rounds_beyond
    with data.made(running, scale=scale, days=options.days, names={case.database for case in todo}) as made:
        say(f"{scale}x: {made.keys:,} keys, {made.pairs:,} rows to store")
        for case in todo:
            rows += [line | common for line in cases.measured(case, made, rounds, say, quick=options.quick)]
            if options.out:
                results.write(options.out, rows)


def say(line: str) -> None:
    """A line of progress."""
    print(f"{time.strftime('%H:%M:%S')} {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
