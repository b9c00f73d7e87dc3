"""The cases, and how the contenders take turns at one: nobody's time counts before the answer was checked."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from benchmarks import answers, contenders
from benchmarks.answers import WrongAnswer, same
from benchmarks.contenders import Contender, Said
from benchmarks.data import Data
from benchmarks.measure import Run, run
from tests.support.databases import Database
from tests.support.proxy import proxy

Row = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """What is to be done (`kind`: fix, status, values, or date: the status of one) and the database it begins with."""

    name: str
    kind: str
    database: str
    at_any_scale: bool = False

    @property
    def writes(self) -> bool:
        """Whether every run needs a database of its own."""
        return self.kind == "fix" and self.database != "full"

    def rows(self, data: Data) -> int:
        """The rows that are written, or else gone through: by these its rate is counted. 0 of mere start-up."""
        if self.kind == "date":
            return 0
        return data.missing[self.database] if self.writes else data.pairs

    def must_say(self, data: Data) -> Said:
        """What every contender has to say in the end."""
        if self.kind == "fix":
            return {"inserted": data.missing[self.database]}
        if self.kind == "status":
            return {"keys": data.keys, "stored": data.pairs, "missing": 0}
        if self.kind == "date":
            return {"keys": data.day_keys, "stored": data.day_keys * len(data.answer), "missing": 0}
        return {"wrong": data.wrong[self.database]}


CASES = (
    Case("backfill", "fix", "empty", at_any_scale=True),
    Case("late day", "fix", "late", at_any_scale=True),
    Case("holes", "fix", "holes", at_any_scale=True),
    Case("as found", "fix", "as_found", at_any_scale=True),
    Case("nothing to do", "fix", "full", at_any_scale=True),
    Case("status", "status", "full", at_any_scale=True),
    Case("status of one date", "date", "full"),
    Case("values", "values", "wrong", at_any_scale=True),
    Case("values (nothing wrong)", "values", "full", at_any_scale=True),
)


def measured(case: Case, data: Data, rounds: int, say: Callable[[str], None], *, quick: bool = False) -> list[Row]:
    """One row per contender. They take turns, and each round begins with another one.

    quick: fewer contenders, and nobody's bytes are counted.
    """
    everyone = contenders.all_for(data, case.kind, case.database, quick=quick)
    runs: dict[str, list[Run]] = {contender.name: [] for contender in everyone}
    failed: dict[str, str] = {}
    for number in range(rounds):
        first = number % len(everyone)
        for contender in everyone[first:] + everyone[:first]:
            if contender.name not in failed:
                _take_turn(case, contender, data, runs, failed, say)
    rows = []
    for contender in everyone:
        long = case.database == "empty" and data.scale > 1  # one more run of minutes, to know ten times as many bytes
        moved = {} if quick or long or contender.name in failed else bytes_moved(case, contender, data)
        rows.append(row(case, contender, data, runs[contender.name], failed.get(contender.name)) | moved)
    return with_ratios(rows)


def _take_turn(
    case: Case,
    contender: Contender,
    data: Data,
    runs: dict[str, list[Run]],
    failed: dict[str, str],
    say: Callable[[str], None],
) -> None:
    try:
        done = accepted(case, contender, data)
    except (WrongAnswer, RuntimeError) as error:
        runs[contender.name].clear()
        failed[contender.name] = str(error)
        say(f"{case.name} {data.scale}x, {contender.name}: {error}")
        return
    runs[contender.name].append(done)
    say(f"{case.name} {data.scale}x, {contender.name}: {done.seconds:.2f} s, {done.peak_mb:.0f} MB")


def accepted(case: Case, contender: Contender, data: Data) -> Run:
    """One run whose answer is right; WrongAnswer when it is not, RuntimeError when it failed."""
    database = data.copied(case.database) if case.writes else data.open(case.database)
    try:
        database.disconnect()
        done = run(contender.commands(database.url), contender.codes)
        said = contender.read(done.output)
        share = check(case, contender, data, database, said)
    finally:
        database.disconnect()
    seconds = said["seconds"] if contender.warm else done.seconds
    return replace(done, seconds=seconds / share)


def check(case: Case, contender: Contender, data: Data, database: Database, said: Said) -> float:
    """WrongAnswer unless it said and did what it had to; the share of the case that it did (1, or of a slice)."""
    if contender.name == contenders.ROW_BY_ROW:
        models = len(data.answer)
        same("rows said", said["keys"] * models, said["inserted"])
        same("rows", said["inserted"], database.count("historical_bitcoin_calculations"))
        same("rows off", 0, answers.rows_off(database))
        return said["keys"] / data.keys
    if contender.name == contenders.IMPORTS_NAME:
        return 1.0
    if contender.name.startswith("limit") and case.kind == "values":
        same("rows fetched", data.source_rows + data.pairs, said["inserted"])
        return 1.0
    for name, wanted in case.must_say(data).items():
        same(name, wanted, said.get(name, wanted if name == "missing" else None))
    if case.kind == "fix":
        answers.compare(data.answer, answers.stored(database), exact=contender.exact)
        if not contender.exact and data.scale == 1:  # beyond, the same program is held to the sums
            same("rows off by more than a satoshi", 0, answers.rows_off(database))
    return 1.0


def bytes_moved(case: Case, contender: Contender, data: Data) -> Row:
    """The bytes of one more run, which is not timed, through a proxy that counts them."""
    database = data.copied(case.database) if case.writes else data.open(case.database)
    database.disconnect()
    with proxy(data.server.port) as passing:
        done = run(contender.commands(passing.url(database.name)), contender.codes)
    share = 1.0
    if contender.name == contenders.ROW_BY_ROW:
        share = contender.read(done.output)["keys"] / data.keys
    return {
        "bytes_from_server": round(passing.bytes_in / share),
        "bytes_to_server": round(passing.bytes_out / share),
    }


def row(case: Case, contender: Contender, data: Data, runs: list[Run], failure: str | None) -> Row:
    """One line of the results; without times when the contender failed."""
    rounding = "" if contender.exact else "each row within 1e-8 BTC"
    line: Row = {
        "case": case.name,
        "scale": data.scale,
        "dates": data.days,
        "keys": data.keys,
        "rows": case.rows(data),
        "contender": contender.name,
        "rounds": len(runs),
        "note": failure or "; ".join(filter(None, (contender.note, rounding if case.kind == "fix" else ""))),
    }
    return line | figures(runs, line["rows"]) if runs else line


def figures(runs: list[Run], rows: int = 0) -> Row:
    """Medians and spread of some runs."""
    seconds = [run.seconds for run in runs]
    median = statistics.median(seconds)
    return {
        "seconds": round(median, 4),
        "seconds_min": round(min(seconds), 4),
        "seconds_max": round(max(seconds), 4),
        "rows_per_second": round(rows / median) if rows else "",
        "peak_mb": round(statistics.median(run.peak_mb for run in runs), 1),
    }


def with_ratios(rows: list[Row]) -> list[Row]:
    """Each row's seconds over those of the SQL statement, and over those of the limit."""
    seconds = {row["contender"]: row.get("seconds") for row in rows}
    limit = contenders.IMPORTS_NAME if contenders.IMPORTS_NAME in seconds else contenders.LIMIT_NAME
    for row in rows:
        for column, other in (("ratio_to_sql", contenders.SQL_NAME), ("ratio_to_limit", limit)):
            if row.get("seconds") and seconds.get(other):
                row[column] = round(row["seconds"] / seconds[other], 3)
    return rows


def startup(url: str, rounds: int, say: Callable[[str], None]) -> list[Row]:
    """What it takes before anything is done, beside the imports that cannot be avoided."""
    small = ["runs", "-d", url, "--json"]
    commands = {
        "recon --version": [*contenders.recon_command(), "--version"],
        "recon --help": [*contenders.recon_command(), "--help"],
        "import typer": [sys.executable, "-c", "import typer"],
        "recon runs, one small query": [*contenders.recon_command(), *small],
        "import polars and the driver": contenders.without_pandas("import polars, adbc_driver_postgresql"),
    }
    runs: dict[str, list[Run]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            runs[name].append(run([command], {0}))
    for name, done in runs.items():
        say(f"start-up, {name}: {statistics.median(run.seconds for run in done):.3f} s")
    line = {"case": "start-up", "scale": 1, "rounds": rounds}
    return [{**line, "contender": name, **figures(done)} for name, done in runs.items()]
