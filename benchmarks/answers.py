"""What must be in the table in the end, worked out by SQL in exact decimals: a wrong answer has no time."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from tests.support.databases import Database

SQL = Path(__file__).parent / "sql"
SATOSHI = Decimal("1e-8")
MEMORY = ("set work_mem = '1GB'", "set hash_mem_multiplier = 4")
"""For the checks only: no contender's session has it."""


class WrongAnswer(Exception):
    """What a contender did or said is not what it should have."""


@dataclass(frozen=True)
class ModelAnswer:
    """One miner model's rows: their number, a checksum of their keys, and their exact sums."""

    model: str
    rows: int
    checksum: Decimal
    btc: Decimal
    difficulty: Decimal


def statement(name: str, **parts: str) -> str:
    """The statement in `benchmarks/sql/<name>.sql`."""
    text = (SQL / f"{name}.sql").read_text(encoding="utf-8")
    return text.format(**parts) if parts else text


def expected(database: Database) -> list[ModelAnswer]:
    """What should be stored, from the curtailment alone."""
    return _answer(database, f"({statement('expected')})")


def stored(database: Database) -> list[ModelAnswer]:
    """What is stored; WrongAnswer when nothing keeps a pair from being there twice."""
    same("unique indexes", 1, database.scalar(statement("unique")))
    return _answer(database, "historical_bitcoin_calculations")


def _answer(database: Database, rows: str) -> list[ModelAnswer]:
    _give_memory(database)
    return [ModelAnswer(*row) for row in database.rows(statement("answer", rows=rows))]


def rows_off(database: Database) -> int:
    """How many stored rows are off by more than a satoshi, or should not be there."""
    _give_memory(database)
    return int(database.scalar(statement("off", expected=statement("expected"))))


def _give_memory(database: Database) -> None:
    for setting in MEMORY:
        database.execute(setting)


def compare(wanted: list[ModelAnswer], found: list[ModelAnswer], *, exact: bool = True) -> None:
    """WrongAnswer unless both are the same; where not `exact`, each row's BTC may be off by one satoshi."""
    if [answer.model for answer in wanted] != [answer.model for answer in found]:
        raise WrongAnswer(f"miner models {[answer.model for answer in found]}")
    for want, have in zip(wanted, found, strict=True):
        for name in ("rows", "checksum", "difficulty"):
            same(f"{want.model} {name}", getattr(want, name), getattr(have, name))
        if abs(want.btc - have.btc) > (0 if exact else SATOSHI * want.rows):
            raise WrongAnswer(f"{want.model} btc: {have.btc} instead of {want.btc}")


def same(what: str, wanted: object, found: object) -> None:
    """WrongAnswer unless the two are equal."""
    if wanted != found:
        raise WrongAnswer(f"{what}: {found} instead of {wanted}")
