"""`python -m benchmarks.stages`: what `recon fix` does with its time, as its own `--profile` says; the table of it."""

from __future__ import annotations

import argparse
import compileall
import json
import statistics
from pathlib import Path
from typing import Any

from benchmarks import data, results, server
from benchmarks.cases import CASES, Case
from benchmarks.contenders import recon_command
from benchmarks.data import ROOT
from benchmarks.measure import run
from benchmarks.results import Line
from benchmarks.table import grid, measured_on
from recon.postgres.profile import STAGES
from tests.support.readme import rewrite

HERE = Path(__file__).parent
NAME = "stages"
"""Of the table's place in the README beside this."""
WHICH = ("backfill", "as found", "holes")
SECONDS = {name: f"{name}_s" for name in STAGES}
"""The columns of the stages."""
COLUMNS = ("case", "rows", "rounds", "seconds", "engine_s", *SECONDS.values(), "commit", "cores", "versions")
SHOWN_S = 0.05
"""What takes less is not shown."""


def measured(case: Case, made: data.Data, rounds: int) -> dict[str, Any]:
    """One line: the whole process, what recon says of itself, and the seconds of its threads by stage; medians."""
    took: list[dict[str, float]] = []
    for _ in range(rounds):
        database = made.copied(case.database)
        database.disconnect()
        done = run([[*recon_command(), "fix", "-d", database.url, "--json", "--profile"]], {0})
        said = json.loads(done.output)
        stages = {column: said["profile"].get(name, {"seconds": 0.0})["seconds"] for name, column in SECONDS.items()}
        took.append({"seconds": done.seconds, "engine_s": said["seconds"], **stages})
    medians = {name: round(statistics.median(one[name] for one in took), 4) for name in took[0]}
    return {"case": case.name, "rows": made.missing[case.database], "rounds": rounds, **medians}


def markdown(lines: list[Line]) -> str:
    """The table; before it what it was measured on."""
    shown = {name: key for name, key in SECONDS.items() if any(float(line[key]) >= SHOWN_S for line in lines)}
    head = f"Commit {measured_on(lines[0])} Medians of {lines[0]['rounds']} rounds at 1x."
    table = [("case", "whole process", "start-up", *shown), ("---", *["---:"] * (len(shown) + 2))]
    for line in lines:
        whole, engine = float(line["seconds"]), float(line["engine_s"])
        cells = (f"{float(line[key]):.2f}" for key in shown.values())
        table.append((line["case"], f"{whole:.2f}", f"{whole - engine:.2f}", *cells))
    return f"{head}\n\n{grid(table)}"


def main() -> None:
    """Measures, or with `--draw` only rewrites the table from what is stored."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stages", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=HERE / "stages.csv")
    parser.add_argument("--draw", action="store_true", help="measure nothing")
    options = parser.parse_args()
    if not options.draw:
        compileall.compile_dir(ROOT / "recon", quiet=1)  # as pip does
        cases = [case for case in CASES if case.name in WHICH]
        with server.running() as running:
            common = results.circumstances(server.version_of(running))
            with data.made(running, scale=1, days=data.DAYS, names={case.database for case in cases}) as made:
                rows = [measured(case, made, options.rounds) | common for case in cases]
        results.write(options.out, rows, COLUMNS)
    if options.out == HERE / "stages.csv":
        rewrite(HERE / "README.md", {NAME: markdown(results.read(options.out))})


if __name__ == "__main__":
    main()
