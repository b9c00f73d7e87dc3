"""What the server holds beside what was there and what was written."""

from __future__ import annotations

import random
from decimal import Decimal
from fractions import Fraction

import polars as pl
import pytest

from recon.core.schema import BTC, CALC_KEY_SCHEMA
from recon.postgres.layout import WEIGHTS
from recon.reconcile.readback import Sums, discrepancies, stored_sums, sum_totals, totals, written_sums
from tests.support.builders import DAY

A, B, C = ((DAY, period, "T_A-1") for period in (1, 2, 3))
DIFFICULTY = Decimal("86388558925171.02500000")
Row = tuple[tuple, str, str, str]
"""A key, a miner model, BTC and difficulty as text."""


def key_hash(key: tuple) -> int:
    """Any 64-bit number for a key; of either sign, as the server's are."""
    return random.Random(str(key)).randrange(-(2**63), 2**63)


def frame(*rows: tuple[tuple, str, str]) -> pl.DataFrame:
    """Rows to write: (key, miner model, BTC)."""
    schema = {**CALC_KEY_SCHEMA, "bitcoin_mined": BTC, "difficulty": pl.Decimal(38, 8), "key_hash": pl.Int64}
    filled = [(*key, model, Decimal(btc), DIFFICULTY, key_hash(key)) for key, model, btc in rows]
    return pl.DataFrame(filled, schema=schema, orient="row")


def surveyed(*rows: Row) -> pl.DataFrame:
    """What the server says of these rows, worked out row by row."""
    sides: dict[tuple, list] = {}
    for key, model, btc, difficulty in rows:
        side = sides.setdefault((key[0], model), [0, 0, 0, Fraction(0), Fraction(0)])
        weight = key_hash(key) & WEIGHTS
        odd = "NaN" in (btc, difficulty)
        side[0] += 1
        side[1] += odd
        side[2] += key_hash(key)
        side[3] += 0 if odd else Fraction(btc) * weight
        side[4] += 0 if odd else Fraction(difficulty) * weight
    names = ["settlement_date", "miner_model", "rows", "odd", "checksum", "bitcoin", "difficulty"]
    filled = [(*side, n, odd, *map(str, sums)) for side, (n, odd, *sums) in sides.items()]
    return pl.DataFrame(filled, schema=names, orient="row")


WAS: Row = (A, "S9", "0.7", "1")
NEW = (frame((B, "S9", "0.10000001"), (C, "S9", "0.2")),)
OURS: tuple[Row, Row] = ((B, "S9", "0.10000001", str(DIFFICULTY)), (C, "S9", "0.2", str(DIFFICULTY)))
SUMS = written_sums(totals(NEW[0]), is_float=False, decimals=None)


def found(*rows: Row) -> list[str]:
    return discrepancies(stored_sums(surveyed(WAS)), SUMS, stored_sums(surveyed(*rows)))


def test_what_adds_up_has_no_discrepancy() -> None:
    assert found(WAS, *OURS) == []
    assert found(WAS, (B, "S9", "0.100000010", str(DIFFICULTY)), OURS[1]) == []


@pytest.mark.parametrize(
    ("held", "why"),
    [
        ([WAS, *OURS, OURS[0]], "rows, not 3"),
        ([WAS, OURS[0]], "rows, not 3"),
        ([WAS, OURS[0], OURS[0]], "other keys"),
        ([WAS, OURS[0], ((*C[:2], "t_a-1"), *OURS[1][1:])], "other keys"),
        ([WAS, OURS[0], (C, "S9", "0.20000001", str(DIFFICULTY))], "other BTC"),
        ([WAS, OURS[0], (C, "S9", "0.200000001", str(DIFFICULTY))], "other BTC"),
        ([WAS, OURS[0], (C, "S9", "NaN", str(DIFFICULTY))], "other BTC"),
        ([WAS, (B, *OURS[1][1:]), (C, *OURS[0][1:])], "other BTC"),
        ([WAS, OURS[0], (C, "S9", "0.2", "86388558925171")], "other difficulties"),
        ([(A, "S9", "0.8", "1"), *OURS], "other BTC"),
        ([(B, "S9", "0.7", "1"), *OURS], "other keys"),
        ([WAS, OURS[0], (C, "M20S", "0.2", str(DIFFICULTY))], "rows, not "),
    ],
    ids=[
        "a row more", "a row less", "one of two twice", "a name in lower case", "one satoshi", "less than a satoshi",
        "no number", "two values exchanged", "a difficulty cut", "the value of a row that was there",
        "the key of a row that was there", "another model",
    ],
)  # fmt: skip
def test_anything_else_is_named_by_date_and_model(held: list[Row], why: str) -> None:
    lines = found(*held)
    assert lines
    assert lines[0].startswith(f"{DAY} ")
    assert why in lines[0]


def test_a_date_that_the_server_does_not_show_is_a_discrepancy() -> None:
    assert len(discrepancies({}, SUMS, {})) == 1


def test_surplus_rows_that_were_there_before_are_none_of_ours() -> None:
    twice = stored_sums(surveyed(WAS, WAS, ((DAY, 9, "T_GONE-1"), "S9", "NaN", "1")))
    after = stored_sums(surveyed(WAS, WAS, ((DAY, 9, "T_GONE-1"), "S9", "NaN", "1"), *OURS))
    assert discrepancies(twice, SUMS, after) == []


def test_lots_of_one_date_add_up_to_the_whole() -> None:
    lots = sum_totals([totals(frame((B, "S9", "0.10000001"))), totals(frame((C, "S9", "0.2")))])
    assert written_sums(lots, is_float=False, decimals=None) == SUMS
    assert lots.select("new", "btc").row(0) == (2, Decimal("0.30000001"))


@pytest.mark.parametrize(
    ("column", "held"),
    [
        ({"is_float": False, "decimals": None}, "86388558925171.025"),
        ({"is_float": False, "decimals": 2}, "86388558925171.03"),
        ({"is_float": False, "decimals": 0}, "86388558925171"),
        ({"is_float": True, "decimals": None}, "86388558925171.03"),
    ],
)
def test_a_difficulty_counts_as_the_column_holds_it(column: dict, held: str) -> None:
    (sums,) = written_sums(totals(frame((B, "S9", "0.1"))), **column).values()
    assert sums.difficulty == Fraction(held) * (key_hash(B) & WEIGHTS)


def test_sums_are_added_field_by_field() -> None:
    one = Sums(1, 0, -5, Fraction(1, 3), Fraction(7))
    assert one + Sums(2, 1, 5, Fraction(2, 3), Fraction(1)) == Sums(3, 1, 0, Fraction(1), Fraction(8))
