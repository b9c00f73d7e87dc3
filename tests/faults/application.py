"""An application that goes on writing to both tables: what it does is drawn from a seed and from nothing else."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import count

import adbc_driver_postgresql.dbapi as adbc

from tests.support.builders import MODELS
from tests.support.databases import TABLE, Database

PERIODS = (1, 17, 24, 46, 2, 2, 51)
"""Those of the data, one that has nothing at first, and one that no day has."""
FARMS = tuple(f"T_FARM-{number}" for number in range(14))
"""Those of the data and two more."""
NOBODY = "T_NOBODY"
TURNS_IN_A_SHIFT = 60
REST_S = 3.0
"""How long nothing is written now and then: a run that is over by then has to be right about what it says."""
GIVES_WAY = {"40P01", "23505"}
"""What an application has to expect: it is the one that a deadlock ends, or a unique index keeps its row out."""
SOURCE_COLUMNS = (
    "settlement_date, settlement_period, farm_id, volume, lead_party_name, payment, original_price, final_price"
)
CALCULATED = "settlement_date, settlement_period, farm_id, miner_model, bitcoin_mined, difficulty"


@dataclass(frozen=True)
class Turn:
    """One transaction, and the pause after it."""

    statements: tuple[str, ...]
    commits: bool
    thinks_s: float
    """How long it waits before each statement but the first, holding its locks."""
    pause_s: float


def turns(seed: object, session: int, dates: Sequence[date]) -> Iterator[Turn]:
    """What a session does, without end; the sessions of a seed are busy on the same few dates and rest together."""
    for shift in count():
        common = random.Random(f"{seed}/{shift}")
        busy, rests = common.sample(dates, common.randint(1, 3)), common.random() < 0.3
        own = random.Random(f"{seed}/{shift}/{session}")
        for _ in range(TURNS_IN_A_SHIFT):
            yield _turn(own, own.choice(busy))
        if rests:
            yield Turn((), True, 0, REST_S)


def _turn(chance: random.Random, day: date) -> Turn:
    statements = tuple(_statement(chance, day) for _ in range(chance.choice((1, 1, 1, 2, 3, 5))))
    thinks_s = chance.choice((0, 0, 0, 0.01, 0.05, 0.2))
    return Turn(statements, chance.random() < 0.9, thinks_s, chance.uniform(0, 0.04))


def _statement(chance: random.Random, day: date) -> str:
    period, farm, model = chance.choice(PERIODS), chance.choice(FARMS), chance.choice(MODELS)
    key = f"'{day}', {period}, '{farm}'"
    where = f"where settlement_date = '{day}' and settlement_period = {period} and farm_id = '{farm}'"
    volume = "'NaN'" if chance.random() < 0.02 else f"-{Decimal(chance.randrange(24_000)) / 240:.14f}"
    btc, other = Decimal(chance.randrange(1, 10**9)) / 10**7, chance.choice((*FARMS, NOBODY))
    someone = chance.choice((model, model, model, "S21"))
    source, others = "curtailment_records", "on conflict do nothing"
    kinds = {
        f"insert into {source} ({SOURCE_COLUMNS}) values ({key}, {volume}, 'Application', 0, 0, 0)": 6,
        f"update {source} set volume = {volume} {where}": 6,
        f"update {source} set farm_id = '{other}' {where}": 2,
        f"delete from {source} {where}": 3,
        f"insert into {TABLE} ({CALCULATED}) values ({key}, '{someone}', {btc}, 3) {others}": 5,
        f"insert into {TABLE} ({CALCULATED}) select {CALCULATED} from {TABLE} {where} {others}": 4,
        f"update {TABLE} set bitcoin_mined = {btc} {where} and miner_model = '{model}'": 6,
        f"update {TABLE} set farm_id = '{other}' {where} and miner_model = '{model}'": 2,
        f"delete from {TABLE} {where} and miner_model = '{model}'": 4,
    }
    return chance.choices(list(kinds), list(kinds.values()))[0]


class Session(threading.Thread):
    """A session of the application, at work until it is told to stop."""

    def __init__(self, database: Database, planned: Iterator[Turn], stop: threading.Event) -> None:
        super().__init__()
        self.database, self.planned, self.stop = database, planned, stop
        self.operations = self.gave_way = 0
        self.error: BaseException | None = None

    def run(self) -> None:
        """Does its turns."""
        try:
            self.database.execute("set application_name = 'the application'")
            while not self.stop.is_set():
                turn = next(self.planned)
                self._do(turn)
                self.stop.wait(turn.pause_s)
        except BaseException as error:  # noqa: BLE001 raised where the thread is waited for
            self.error = error

    def _do(self, turn: Turn) -> None:
        self.database.execute("begin")
        try:
            for number, statement in enumerate(turn.statements):
                time.sleep(turn.thinks_s if number else 0)
                self.database.execute(statement)
                self.operations += 1
        except adbc.Error as error:
            if error.sqlstate not in GIVES_WAY:
                raise
            self.gave_way += 1
            self.database.execute("rollback")
        else:
            self.database.execute("commit" if turn.commits else "rollback")
