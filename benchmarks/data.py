"""The databases the contenders work on, made once for each scale and copied for every run that writes."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

from benchmarks import answers, gaps
from benchmarks.answers import ModelAnswer, statement
from tests.support import oracle
from tests.support.databases import Database
from tests.support.servers import Server

START = date(2022, 1, 1)
DAYS = 1200
QUICK_DAYS = 60
SEED = 1
ROOT = Path(__file__).parents[1]
WORK = "work"
"""The database of the run that goes on."""
CALCULATIONS = "historical_bitcoin_calculations"
COLUMNS = "settlement_date, settlement_period, farm_id, miner_model, bitcoin_mined, difficulty"
IN_ORDER = "settlement_date, settlement_period, farm_id, miner_model"
CHOSEN = "hashtextextended(farm_id || miner_model || settlement_period, settlement_date - date '2000-01-01') % {} = 0"
"""One pair in so many, at random, and the same ones in every run."""
HOLES = CHOSEN.format(100)
DOUBLED = f"bitcoin_mined > 0.001 and {CHOSEN.format(1000)}"


@dataclass
class Data:
    """The databases of one scale by name, what is missing from each, and the answer that all should come to.

    empty: no calculations. full: all of them. late: all but one date's. holes: all but 1 % of the pairs. as_found: 68 %
    of them (see `benchmarks.gaps`). wrong: all, but a few doubled. Each has the unique index; all were vacuumed and
    analyzed.
    """

    server: Server
    scale: int
    days: int
    directory: Path
    keys: int = 0
    source_rows: int = 0
    day: date = START
    """The date whose number of rows is nearest to the average, and its keys."""
    day_keys: int = 0
    answer: list[ModelAnswer] = field(default_factory=list)
    missing: dict[str, int] = field(default_factory=dict)
    wrong: dict[str, int] = field(default_factory=lambda: {"full": 0})

    @property
    def pairs(self) -> int:
        """The rows that the calculations should have."""
        return sum(model.rows for model in self.answer)

    def open(self, name: str) -> Database:
        """A database for a few statements; `disconnect` it before it is copied."""
        return Database(self.server, name, self.server.role_url("postgres", database=name))

    def copied(self, name: str) -> Database:
        """A fresh copy of a database, with nothing of it waiting to be written to the disk."""
        self.server.drop_database(WORK)
        self.server.execute(f'create database {WORK} template "{name}" strategy file_copy')
        self.server.execute("checkpoint")
        return self.open(WORK)

    def finished(self, name: str, part: str = "whole") -> Path:
        """The rows missing from a database, finished, in order and as binary COPY has them; or the half `0` or `1`."""
        return self.directory / f"{name}.{part}"


@contextmanager
def made(server: Server, *, scale: int, days: int, names: set[str]) -> Iterator[Data]:
    """The databases of a scale that are asked for. Dropped in the end."""
    directory = Path(tempfile.mkdtemp(prefix="recon-bench-"))
    directory.chmod(0o755)
    data = Data(server, scale, days, directory)
    try:
        _make_empty(data)
        _make_full(data)
        _make_partial(data, names)
        yield data
    finally:
        for name in (WORK, "empty", "full", "late", "holes", "as_found", "wrong"):
            server.drop_database(name)
        shutil.rmtree(directory, ignore_errors=True)


def _make_empty(data: Data) -> None:
    """The source, no calculations, and the terms that recon has in its files as two tables for the others."""
    url = data.server.create_database("empty")
    sample = data.directory / "sample"
    recon = [sys.executable, "-m", "recon", "-q", "sample"]
    generate = ["generate", "--out", str(sample), "--days", str(data.days), "--seed", str(SEED), "--start", str(START)]
    for command in ([*recon, *generate], [*recon, "load", "-d", url, str(sample)]):
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=ROOT)
    database = data.open("empty")
    database.execute(f"truncate {CALCULATIONS} restart identity")
    database.add_unique_index()
    if data.scale > 1:
        _multiply(database, data.scale)
    for line in _reference(data.days):
        database.execute(line)
    data.source_rows = database.count("curtailment_records")
    data.answer = answers.expected(database)
    data.keys = data.answer[0].rows
    manifest = json.loads((sample / "sample.json").read_text())
    answers.same("keys", manifest["keys"] * data.scale, data.keys)
    data.missing["empty"] = data.pairs
    _settle(database)


def _multiply(database: Database, scale: int) -> None:
    """The same curtailment again for `scale` - 1 further farms beside each one, in order of key."""
    names = ("lead_party_name", "volume", "payment", "original_price", "final_price", "so_flag", "cadl_flag")
    columns = ", ".join(("settlement_date", "settlement_period", "farm_id", *names, "created_at"))
    copied = columns.replace("farm_id", "farm_id || case n when 0 then '' else '#' || n end as farm_id")
    database.execute("create table one as select * from curtailment_records")
    database.execute("truncate curtailment_records restart identity")
    database.execute(
        f"insert into curtailment_records ({columns}) select {copied} from one, generate_series(0, {scale - 1}) n "
        "order by settlement_date, settlement_period, 3, id"
    )
    database.execute("drop table one")


def _reference(days: int) -> list[str]:
    dates = [START + timedelta(days=n) for n in range(days)]
    terms = ", ".join(f"('{day}', {oracle.difficulty(day)}, {oracle.subsidy(day)})" for day in dates)
    models = ", ".join(f"('{name}', {terahashes}, {watts})" for name, (terahashes, watts) in oracle.MINERS.items())
    return [
        "create table terms (settlement_date date primary key, difficulty numeric, subsidy_btc numeric)",
        f"insert into terms values {terms}",
        "create table miner_models (miner_model text primary key, hashrate_ths numeric, power_w numeric)",
        f"insert into miner_models values {models}",
        "analyze",
    ]


def _make_full(data: Data) -> None:
    """The truth stored, in order of key; and as files for COPY."""
    database = data.open(_copy(data, "empty", "full"))
    for setting in answers.MEMORY:
        database.execute(setting)
    truth = f"select {COLUMNS} from ({statement('expected')}) rows order by {IN_ORDER}"
    database.execute(f"insert into {CALCULATIONS} ({COLUMNS}) {truth}")
    _export(data, "empty", "true")
    data.day = _average_date(database)
    data.day_keys = database.count(CALCULATIONS, f"settlement_date = '{data.day}'") // len(data.answer)
    _settle(database)


def _make_partial(data: Data, names: set[str]) -> None:
    """The databases from which something is missing, and the one in which something is wrong."""
    data.missing["full"] = 0
    if "late" in names:
        _remove(data, "late", f"settlement_date = '{data.day}'")
    if "holes" in names:
        _remove(data, "holes", HOLES)
    if "as_found" in names:
        _remove(data, "as_found", _gaps(data.open("full")))
        gaps.check(data.missing["as_found"], data.pairs)
    if "wrong" in names:
        database = data.open(_copy(data, "full", "wrong"))
        data.wrong["wrong"] = database.count(CALCULATIONS, DOUBLED)
        database.execute(f"update {CALCULATIONS} set bitcoin_mined = bitcoin_mined * 2 where {DOUBLED}")
        _settle(database)


def _remove(data: Data, name: str, absent: str) -> None:
    """A copy of `full` without some rows, and these as files."""
    database = data.open(_copy(data, "full", name))
    data.missing[name] = database.count(CALCULATIONS, absent)
    _export(data, name, absent)
    database.execute(f"delete from {CALCULATIONS} where {absent}")
    _settle(database)


def _gaps(full: Database) -> str:
    """What is missing from `as_found`."""
    first_half = f"count(*) filter (where settlement_period <= {gaps.HALF})"
    rows = full.rows(
        f"select settlement_date::text, count(*), {first_half}, count(distinct miner_model) "
        f"from {CALCULATIONS} group by 1 order by 1"
    )
    models = [str(name) for (name,) in full.rows("select miner_model from miner_models order by 1")]
    full.disconnect()
    return gaps.as_found([gaps.Day(date.fromisoformat(day), *counts) for day, *counts in rows], models, SEED)


def _average_date(full: Database) -> date:
    """The date whose number of rows is nearest to the average."""
    found = full.scalar(
        f"select settlement_date from (select settlement_date, count(*) as n from {CALCULATIONS} group by 1) dates "
        "order by abs(n - (avg(n) over ())), 1 limit 1"
    )
    full.disconnect()
    return date.fromisoformat(str(found))


def _copy(data: Data, source: str, name: str) -> str:
    data.server.execute(f'create database "{name}" template "{source}" strategy file_copy')
    return name


def _export(data: Data, name: str, absent: str) -> None:
    """The finished rows of `full` that a database lacks, as files: all, and by halves."""
    halves = f"select *, ntile(2) over (order by {IN_ORDER}) - 1 as half from {CALCULATIONS} where {absent}"
    lines = ["\\set ON_ERROR_STOP on", *(f"{setting};" for setting in answers.MEMORY)]
    for part, half in (("whole", "true"), ("0", "half = 0"), ("1", "half = 1")):
        rows = f"select {COLUMNS} from ({halves}) rows where {half} order by {IN_ORDER}"
        lines.append(f"\\copy ({rows}) to '{data.finished(name, part)}' with (format binary)")
    script = "\n".join(lines) + "\n"
    url = data.server.role_url("postgres", database="full")
    subprocess.run([*psql(data.server), url], input=script, text=True, check=True, stdout=subprocess.DEVNULL)


def psql(server: Server) -> list[str]:
    """The server's own psql, without anybody's settings."""
    return [str(server.bindir / "psql"), "-X", "-At", "-v", "ON_ERROR_STOP=1"]


def _settle(database: Database) -> None:
    """Nothing dead, everything counted and on the disk, nobody connected."""
    database.execute("vacuum (freeze, analyze)")
    database.execute("checkpoint")
    database.disconnect()
