"""`python -m tests.faults`: recon is killed many times and meets every fault; what was lost is counted."""

from __future__ import annotations

import argparse
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import adbc_driver_postgresql.dbapi as adbc

from tests.faults import cluster, kills, results
from tests.faults.catalogue import KINDS, ON_A_CLUSTER, Fault, catalogue, play
from tests.faults.harness import Stage
from tests.faults.results import Row
from tests.support.servers import temporary_home

SPENT = (OSError, AssertionError, RuntimeError, adbc.Error)
"""What a trial that did not go as planned ends with."""


def parsed(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--kills", type=int, default=1000, help="how often recon is killed (1000)")
    parser.add_argument("--seed", type=int, default=1, help="from which everything random is drawn (1)")
    parser.add_argument("--jobs", type=int, default=2, help="kills at the same time (2)")
    parser.add_argument("--repeat", type=int, default=1, help="how often each other fault is tried (1)")
    parser.add_argument("--only", default="", help="only faults whose name or kind holds this; no kills")
    parser.add_argument("--cluster", action="store_true", help="on a Dask cluster: its faults, kills of its workers")
    parser.add_argument("--long", type=float, default=12, help="seconds that a long recovery takes (12)")
    parser.add_argument("--out", type=Path, help="results.csv beside this program, or cluster.csv")
    options = parser.parse_args(arguments)
    options.out = options.out or Path(__file__).parent / ("cluster.csv" if options.cluster else "results.csv")
    return options


def main(arguments: list[str] | None = None) -> int:
    """Runs what was asked for and writes the file; 1 when anything was lost or not as expected."""
    options = parsed(arguments)
    kinds = ON_A_CLUSTER if options.cluster else KINDS
    chosen = [found for found in catalogue(kinds) if options.only in f"{found.kind} {found.name}"]
    with temporary_home() as home:
        stage = Stage(home, long_s=options.long)
        try:
            command = "python -m tests.faults " + " ".join(sys.argv[1:] if arguments is None else arguments)
            facts = results.circumstances(stage.server(), options.seed, command)
            killing = run_worker_kills if options.cluster else run_kills
            killed = [] if options.only else killing(stage, options.kills, options.seed, options.jobs)
            others = [run_fault(stage, tried, options.seed, options.repeat) for tried in chosen]
        finally:
            stage.close()
    rows = killed + others
    results.write(options.out, facts, rows)
    lost = sum(row.verdict.lost for row in rows)
    failed = [row.fault for row in rows if row.note.startswith("failed")]
    say(f"{sum(row.runs for row in rows)} trials, {lost} lost, {len(failed)} not as expected: {options.out}")
    return 1 if lost or failed else 0


def run_kills(stage: Stage, number: int, seed: int, jobs: int) -> list[Row]:
    """So many kills, by when recon was killed."""
    rows: dict[str, Row] = {}
    lock = threading.Lock()
    duration = kills.undisturbed(stage) if number else 0
    done = 0

    def one(kill: kills.Kill) -> None:
        nonlocal done
        note, found = "", None
        try:
            found = kills.play(stage, kill, duration)
        except SPENT as error:
            note = f"failed: {error}"
            say(f"{kill}: {note}")
        with lock:
            row = rows.setdefault(kill.row, Row("kills", kill.row))
            row.note = row.note or note
            done += 1
            if found:
                row.add(*found)
                if found[1].lost:
                    say(f"{kill}: {found[1]}")
            if done % 50 == 0:
                say(f"{done} of {number} kills")

    with ThreadPoolExecutor(jobs) as threads:
        list(threads.map(one, (kills.draw(seed, n) for n in range(number))))
    order = list(kills.ROWS)
    return sorted(rows.values(), key=lambda row: order.index(row.fault))


def run_worker_kills(stage: Stage, number: int, seed: int, _jobs: int) -> list[Row]:
    """So many kills of workers, one after another: they are the same cluster's."""
    row = Row("cluster", cluster.KILLED)
    duration = cluster.undisturbed(stage) if number else 0
    for count in range(number):
        planned = cluster.draw(seed, count)
        try:
            found = cluster.play(stage, planned, duration)
        except SPENT as error:
            row.note = row.note or f"failed: {error}"
            say(f"{planned}: failed: {error}")
            continue
        row.add(*found)
        if found[1].lost or count % 10 == 9:
            say(f"{count + 1} of {number} kills of workers; {planned}: {found[1]}")
    return [row] if number else []


def run_fault(stage: Stage, tried: Fault, seed: int, repeat: int) -> Row:
    """One fault, so many times."""
    row = Row(tried.kind, tried.name)
    row.note = tried.impossible() and f"not tried here: {tried.impossible()}"
    if row.note:
        return row
    for number in range(repeat):
        try:
            found = play(stage, tried, f"{seed}/{number}")
            row.add(*found)
            say(f"{tried.name}: exit {sorted(row.codes)}, {found[1].lost} lost")
        except SPENT as error:
            row.note = f"failed: {error}"
            say(f"{tried.name}: {row.note}")
            return row
    return row


def say(line: str) -> None:
    """A line of progress."""
    print(f"{time.strftime('%H:%M:%S')} {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
