"""`python -m benchmarks.workers`: the backfill by one process and by a Dask cluster of 1, 2, 4 ... workers, measured;
the picture of it, and what follows for tables that do not fit here.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import sys
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import answers, data, results, server
from benchmarks.__main__ import say
from benchmarks.answers import same
from benchmarks.contenders import recon_command
from benchmarks.data import Data
from benchmarks.measure import run
from benchmarks.results import Line
from tests.support.cluster import Cluster, cluster
from tests.support.databases import Database
from tests.support.proxy import proxy
from tests.support.readme import rewrite

HERE = Path(__file__).parent
NAME = "workers"
"""Of its place in the README beside this."""
COLUMNS = ("way", "workers", "delay_ms", "rounds", "seconds", "seconds_min", "seconds_max", "rows", "stored_bytes")
COLUMNS += ("wal_bytes", "commit", "cores", "versions")
THREADS, OWN, CLUSTER = "threads", "own cluster", "cluster"
COPY = "limit, 1 connection"
DELAY_MS = 20
SIZES = {"150 million": 150_000_000, "1.5 billion": 1_500_000_000}
"""Pairs of a key and a miner model."""


@dataclass(frozen=True)
class Way:
    """How the backfill is done, and how late every packet to and from the server is, in each direction."""

    name: str
    workers: int
    delay_ms: int = 0

    def arguments(self, running: Cluster) -> list[str]:
        """The options of recon."""
        if self.name == THREADS:
            return ["--workers", str(self.workers)]
        where = ["--scheduler-file", str(running.scheduler_file)] if self.name == CLUSTER else []
        return ["--engine", "dask", "--workers", str(self.workers), *where]


def ways(most: int) -> list[Way]:
    """One process beside two workers, and the cluster as it grows: with the server near, and far away."""
    sizes = [2**n for n in range(most.bit_length()) if 2**n <= most]
    grown = [Way(CLUSTER, size, delay) for delay in (0, DELAY_MS) for size in sizes]
    return [Way(THREADS, 2), Way(OWN, 2), Way(THREADS, 2, DELAY_MS), *grown]


def measured(way: Way, made: Data, running: Cluster) -> dict[str, Any]:
    """One run; WrongAnswer unless the table is right in the end."""
    database = made.copied("empty")
    with ExitStack() as held:
        port = made.server.port
        if way.delay_ms:
            port = held.enter_context(proxy(port, delay_s=way.delay_ms / 1000)).port
        url = f"postgresql://postgres@127.0.0.1:{port}/{database.name}"
        if way.name == CLUSTER:
            running.heal(way.workers)
            running.serve(url)
        before = _written(database)
        database.disconnect()
        command = [*recon_command(), "fix", "-d", url, "--json", *way.arguments(running)]
        done = run([command], {0})
    wal = _written(database) - before
    answers.compare(made.answer, answers.stored(database), exact=True)
    stored = database.scalar("select pg_total_relation_size('historical_bitcoin_calculations')")
    same("rows", made.pairs, database.count("historical_bitcoin_calculations"))
    database.disconnect()
    return {"seconds": done.seconds, "stored_bytes": stored, "wal_bytes": wal}


def _written(database: Database) -> int:
    return int(database.scalar("select (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::int8"))


def measure(days: int, rounds: int, most: int) -> list[dict[str, Any]]:
    """One line per way; they take turns."""
    with server.running() as running, cluster() as workers:
        facts = results.circumstances(server.version_of(running))
        with data.made(running, scale=1, days=days, names={"empty"}) as made:
            found: dict[Way, list[dict[str, Any]]] = {way: [] for way in ways(most)}
            for _ in range(rounds):
                for way, runs in found.items():
                    runs.append(measured(way, made, workers))
                    say(f"{way}: {runs[-1]['seconds']:.2f} s")
            return [line(way, runs, made.pairs) | facts for way, runs in found.items()]


def line(way: Way, runs: Sequence[dict[str, Any]], rows: int) -> dict[str, Any]:
    """A way's medians."""
    seconds = [run["seconds"] for run in runs]
    times = {"seconds": statistics.median(seconds), "seconds_min": min(seconds), "seconds_max": max(seconds)}
    return {
        "way": way.name,
        "workers": way.workers,
        "delay_ms": way.delay_ms,
        "rounds": len(runs),
        "rows": rows,
        **{name: round(value, 3) for name, value in times.items()},
        **{name: round(statistics.median(run[name] for run in runs)) for name in ("stored_bytes", "wal_bytes")},
    }


def write(path: Path, lines: Iterable[dict[str, Any]]) -> None:
    """The lines as a file."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)


def draw(lines: Sequence[Line], out: Path) -> None:
    """Time over workers, with the server near and far."""
    from benchmarks.figure import plt

    figure, axis = plt.subplots(figsize=(6, 3.4), layout="constrained")
    for delay, style in (("0", "o-"), (str(DELAY_MS), "s--")):
        found = [one for one in lines if (one["way"], one["delay_ms"]) == (CLUSTER, delay)]
        points = sorted((int(one["workers"]), float(one["seconds"])) for one in found)
        far = f"every packet {delay} ms late" if delay != "0" else "server on the same machine"
        axis.plot([w for w, _ in points], [s for _, s in points], style, label=far)
        axis.set_xticks([w for w, _ in points])
    axis.set_ylim(bottom=0)
    axis.set_xlabel("Dask workers")
    axis.set_title(
        f"backfill of {int(lines[0]['rows']):,} rows, seconds ({lines[0]['cores']} cores for all)", fontsize=10
    )
    axis.grid(alpha=0.3)
    axis.legend(fontsize=8)
    figure.savefig(out, metadata={"Date": None})
    plt.close(figure)


def markdown(lines: Sequence[Line], backfills: Sequence[Line]) -> str:
    """What was measured, and what it means for larger tables. backfills: the lines of benchmarks/results.csv."""
    rows = int(lines[0]["rows"])
    table = ["| who works | packets late by | seconds | rows/s |", "| --- | ---: | ---: | ---: |"]
    for found in lines:
        spread = f"{float(found['seconds']):.1f} ({float(found['seconds_min']):.1f}-{float(found['seconds_max']):.1f})"
        rate = f"{rows / float(found['seconds']):,.0f}"
        table.append(f"| {_who(found)} | {found['delay_ms']} ms | {spread} | {rate} |")
    first = lines[0]
    head = f"Commit {first['commit']}, {first['cores']} cores shared by server and workers, {first['versions']}: "
    head += f"{rows:,} rows, medians of {first['rounds']} rounds (fastest-slowest)."
    return "\n".join([head, "", *table, "", *estimate(lines, backfills)])


def _who(line: Line) -> str:
    workers = int(line["workers"])
    if line["way"] == THREADS:
        return f"one process, {workers} threads"
    kind = "a cluster of its own" if line["way"] == OWN else "a running cluster"
    return f"{kind}, {workers} worker{'s' if workers > 1 else ''}"


def estimate(lines: Sequence[Line], backfills: Sequence[Line]) -> list[str]:
    """On paper: a row's cost in core-seconds, times rows, over cores; the slower side counts."""
    found = {line["contender"]: line for line in backfills if (line["case"], line["scale"]) == ("backfill", "1")}
    per_row = {name: float(found[name]["seconds"]) / int(found[name]["rows"]) for name in ("recon", COPY)}
    all_cores = per_row["recon"] * int(found["recon"]["cores"])
    database, workers = per_row[COPY], all_cores - per_row[COPY]
    stored, wal = (int(lines[0][name]) / int(lines[0]["rows"]) for name in ("stored_bytes", "wal_bytes"))
    costs = f"{all_cores * 1e6:.1f} core-seconds per million rows in all, of which the database takes "
    costs += f"{database * 1e6:.1f} (its own COPY of finished rows on one connection); {stored:.0f} bytes stored with "
    costs += f"the unique index and {wal:.0f} bytes of WAL per row"
    table = [
        f"On paper, from the cost per row: {costs}.",
        "",
        "| pairs | worker cores | database cores | workers' part | database's part | stored | WAL | the limit |",
        "| ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |",
    ]
    for name, size in SIZES.items():
        for worker_cores, database_cores in ((2, 2), (8, 4), (32, 8)):
            parts = size * workers / worker_cores / 60, size * database / database_cores / 60
            limit = "the database" if parts[1] >= parts[0] else "the workers"
            volume = f"{size * stored / 1e9:,.0f} GB | {size * wal / 1e9:,.0f} GB"
            times = " | ".join(f"{part:,.0f} min" for part in parts)
            table.append(f"| {name} | {worker_cores} | {database_cores} | {times} | {volume} | {limit} |")
    return table


def main() -> int:
    """Measures, or with `--draw` only rewrites the picture and the table from what is stored."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.workers", description=__doc__)
    parser.add_argument("--days", type=int, default=data.DAYS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--most", type=int, default=8, help="workers (8)")
    parser.add_argument("--out", type=Path, default=HERE / "workers.csv")
    parser.add_argument("--draw", action="store_true", help="measure nothing")
    options = parser.parse_args()
    if not options.draw:
        write(options.out, measure(options.days, options.rounds, options.most))
    lines = results.read(options.out)
    draw(lines, options.out.with_suffix(".svg"))
    if options.out == HERE / "workers.csv":
        rewrite(HERE / "README.md", {NAME: markdown(lines, results.read(HERE / "results.csv"))})
    return 0


if __name__ == "__main__":
    sys.exit(main())
