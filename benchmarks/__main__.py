"""`python -m benchmarks`: everything in one run, on a server of its own."""

from __future__ import annotations

import argparse
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks import cases, data, results, server
from benchmarks.cases import CASES, Case
from tests.support.servers import Server

NEEDED = ("duckdb", "duckdb_extension_postgres_scanner", "pandas", "sqlalchemy", "psycopg")


def parsed(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the dates and 2 rounds: does it run at all?")
    parser.add_argument("--rounds", type=int, default=None, help="how often each contender runs at 1x (5)")
    parser.add_argument("--rounds-beyond", type=int, default=None, help="and beyond (as often)")
    parser.add_argument(
        "--scale", type=int, default=[1], nargs="*", help="also at so many times the farms: 10, or 3 10"
    )
    parser.add_argument("--cases", default="", help="only these, separated by commas; start-up is one")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results.csv")
    return parser.parse_args(arguments)


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
    if absent:
        raise SystemExit(f"not installed: {', '.join(absent)}; pip install '.[bench]'")
    rounds = options.rounds or (2 if options.quick else 5)
    beyond = options.rounds_beyond or rounds
    days = data.QUICK_DAYS if options.quick else data.DAYS
    chosen(options.cases, 1)
    rows: list[dict[str, Any]] = []
    with server.running() as running:
        common = results.circumstances(version_of(running))
        if not options.cases or "start-up" in options.cases:
            rows += [line | common for line in cases.startup(running.url, max(rounds, 5), say)]
        for scale in sorted({1, *options.scale}):
            rows += at_scale(running, scale, days, rounds if scale == 1 else beyond, options, rows, common)
    results.write(options.out, rows)
    say(f"written to {options.out}")
    return 0 if all(row.get("seconds") for row in rows) else 1


def at_scale(
    running: Server,
    scale: int,
    days: int,
    rounds: int,
    options: argparse.Namespace,
    before: list[dict[str, Any]],
    common: dict[str, Any],
) -> list[dict[str, Any]]:
    """The rows of one scale; what is measured so far is written after each case."""
    todo = chosen(options.cases, scale)
    found: list[dict[str, Any]] = []
    if not todo:
        return found
    with data.made(running, scale=scale, days=days, names={case.database for case in todo}) as made:
        say(f"{scale}x: {made.keys:,} keys, {made.pairs:,} rows to store")
        for case in todo:
            found += [line | common for line in cases.measured(case, made, rounds, say)]
            results.write(options.out, before + found)
    return found


def version_of(running: Server) -> str:
    """The server's version."""
    done = running.run("postgres", "--version")
    return done.stdout.split()[-1]


def say(line: str) -> None:
    """A line of progress."""
    print(f"{time.strftime('%H:%M:%S')} {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
