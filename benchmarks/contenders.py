"""recon, what a user would pick instead, and the limit: how each is started and how its answer is read."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from benchmarks.answers import SQL
from benchmarks.data import Data, psql
from benchmarks.programs import SLICE_KEYS

SQL_NAME = "SQL statement"
LIMIT_NAME = "limit, 2 connections"
IMPORTS_NAME = "limit, importing Polars and the driver"
ROW_BY_ROW = "row by row"
SLICE = f"the first dates with {SLICE_KEYS:,} keys, scaled to all of them"
KEYED = "keyed compare of what should be stored, worked out by a query on the server, with what is"
Said = dict[str, int]
"""What a contender says: `inserted`, or `keys` and `stored`, or `wrong` (and `keys` of the slice it did)."""


@dataclass(frozen=True)
class Contender:
    """One way to do a case. `commands` run side by side; they are given the URL of the database."""

    name: str
    commands: Callable[[str], list[list[str]]]
    read: Callable[[str], Said]
    warm: bool = False
    """It says its own seconds: start-up does not count."""
    exact: bool = True
    """Its BTC are exact; else each row may be off by a satoshi."""
    note: str = ""
    codes: frozenset[int] = frozenset({0})
    """The exit codes of a run that went well."""


def all_for(data: Data, kind: str, database: str, *, quick: bool = False) -> list[Contender]:
    """Everyone who takes part in a case of a kind (see `cases.Case`) that begins with a database.

    quick: only recon, the SQL statement and the limit. So beyond 1x, and DuckDB where everything is missing; pandas and
    the row-by-row script only there and at 1x: the others' rounds would take hours.
    """
    if kind == "date":
        return _of_one_date(data)
    recon, engine = _recon(kind)
    sql = _sql(data, kind)
    limits = _limits(data, kind, database)
    if quick:
        return [recon, sql, *limits[1:]]
    duckdb = _program("DuckDB", "duckdb", kind, exact=False)
    if data.scale > 1:
        return [recon, sql, *([duckdb] if database == "empty" else []), *limits[1:]]
    fastrecon = _program("fastrecon", "fastrecon", kind, read=partial(read_counts, len(data.answer)), note=KEYED)
    if kind == "values":
        return [recon, engine, sql, fastrecon, *limits]
    found = [recon, engine, sql, duckdb]
    if database == "empty":
        found.append(_program("pandas", "pandas", kind, exact=False))
        found.append(_program(ROW_BY_ROW, "row_by_row", kind, note=SLICE))
    if kind == "status":
        found.append(fastrecon)
    return found + limits


def _limits(data: Data, kind: str, database: str) -> list[Contender]:
    """The same with 1 and 2 connections; none where nothing is moved."""
    if kind == "values":
        return _fetches(data)
    return _copies(data, database) if kind == "fix" and data.missing[database] else []


def without_pandas(program: str) -> list[str]:
    """A line of Python, where pandas and NumPy are not to be had (see `benchmarks.programs.hide_pandas`)."""
    return [sys.executable, "-c", f"import sys; sys.modules |= {{'pandas': None, 'numpy': None}}; {program}"]


def recon_command() -> list[str]:
    """The program."""
    return without_pandas("from recon.cli.process import run; run()")


def _of_one_date(data: Data) -> list[Contender]:
    """What recon says to people of one date, and what no program on Polars can do without."""
    window = ["--from", str(data.day), "--to", str(data.day)]
    imports = without_pandas("import polars, adbc_driver_postgresql")
    return [
        Contender("recon", lambda url: [[*recon_command(), "status", *window, "-d", url]], read_lines),
        Contender(IMPORTS_NAME, lambda _: [imports], lambda _: {}, note="does nothing else"),
    ]


def _recon(kind: str) -> list[Contender]:
    arguments = {"fix": ["fix"], "status": ["status"], "values": ["status", "--values"]}[kind]
    codes = frozenset({0, 1} if kind == "values" else {0})  # 1: something is wrong
    return [
        Contender("recon", lambda url: [[*recon_command(), *arguments, "-d", url, "--json"]], read_recon, codes=codes),
        _program("recon, engine alone", "engine", kind, warm=True, read=read_recon),
    ]


def _program(name: str, program: str, kind: str, **more: Any) -> Contender:
    read = more.pop("read", json.loads)
    start = [sys.executable, "-m", "benchmarks.programs", program, kind]
    return Contender(name, lambda url: [[*start, url]], read, **more)


def _sql(data: Data, kind: str) -> Contender:
    read = {"fix": read_inserted, "status": read_status, "values": read_wrong}[kind]
    return Contender(SQL_NAME, lambda url: [[*psql(data.server), "-f", str(SQL / f"{kind}.sql"), url]], read)


def _copies(data: Data, database: str) -> list[Contender]:
    """PostgreSQL's own COPY of the finished rows."""
    table = "historical_bitcoin_calculations (settlement_date, settlement_period, farm_id, miner_model, "

    def copy(url: str, part: str) -> list[str]:
        source = f"from '{data.finished(database, part)}' with (format binary)"
        return [*psql(data.server), "-c", f"\\copy {table}bitcoin_mined, difficulty) {source}", url]

    return [
        Contender("limit, 1 connection", lambda url: [copy(url, "whole")], read_inserted),
        Contender(LIMIT_NAME, lambda url: [copy(url, "0"), copy(url, "1")], read_inserted),
    ]


def _fetches(data: Data) -> list[Contender]:
    """The columns that a check of all values needs, fetched and thrown away."""
    key = "settlement_date, settlement_period, farm_id"
    source = f"copy (select {key}, volume from curtailment_records) to stdout with (format binary)"
    stored = (
        f"copy (select {key}, miner_model, bitcoin_mined, difficulty from historical_bitcoin_calculations"
        " where {}) to stdout with (format binary)"
    )

    def fetch(url: str, *statements: str) -> list[str]:
        counted = [part for statement in statements for part in ("-c", f"\\{statement}".replace("stdout", "/dev/null"))]
        return [*psql(data.server), *counted, url]

    halves = [stored.format(f"settlement_date - date '2000-01-01' & 1 = {half}") for half in (0, 1)]
    one = lambda url: [fetch(url, source, stored.format("true"))]  # noqa: E731 as short as the other
    return [
        Contender("limit, 1 connection", one, read_inserted, note="fetches the columns only"),
        Contender(
            LIMIT_NAME,
            lambda url: [fetch(url, source, halves[0]), fetch(url, halves[1])],
            read_inserted,
            note="fetches the columns only",
        ),
    ]


def read_recon(output: str) -> Said:
    """recon's JSON."""
    found = json.loads(output)
    times = {"seconds": found["seconds"]} if "seconds" in found else {}
    if "inserted" in found:
        return {"inserted": found["inserted"], **times}
    if "values" in found:
        return {"wrong": found["values"]["wrong"], **times}
    stored = found["matched"] + found["duplicate"] + found["orphan"]
    return {"keys": found["keys"], "stored": stored, "missing": found["missing"], **times}


def read_lines(output: str) -> Said:
    """recon's lines for people."""
    (keys,), (stored,) = (re.findall(words, output) for words in (r"([\d,]+) keys?\n", r"\nreconciled: ([\d,]+) of"))
    return {"keys": int(keys.replace(",", "")), "stored": int(stored.replace(",", ""))}


def read_counts(models: int, output: str) -> Said:
    """fastrecon's counts of rows; that of keys for so many models."""
    found = json.loads(output)
    stored = found["row_count_right"] - found["missing_in_left"]
    wrong = found["changed_rows"] + found["missing_in_left"]
    return {
        "keys": found["row_count_left"] // models,
        "stored": stored,
        "missing": found["missing_in_right"],
        "wrong": wrong,
    }


def read_inserted(output: str) -> Said:
    """What psql says of INSERT and COPY, summed."""
    return {"inserted": sum(int(rows) for rows in re.findall(r"^(?:INSERT 0|COPY) (\d+)$", output, re.MULTILINE))}


def read_status(output: str) -> Said:
    """psql's one line `keys|stored`."""
    keys, stored = output.strip().split("|")
    return {"keys": int(keys), "stored": int(stored)}


def read_wrong(output: str) -> Said:
    """psql's one number."""
    return {"wrong": int(output)}
