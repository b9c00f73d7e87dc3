"""What the server holds beside what was there and what was written."""

from __future__ import annotations

import random
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from recon.core.schema import BTC, CALC_KEY_SCHEMA, STORED_SUMS
from recon.postgres.layout import WEIGHTS, Column
from recon.reconcile.readback import compared, discrepancies, sum_totals, totals
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


def surveyed(*rows: Row, young: bool = True) -> pl.DataFrame:
    """What the server says of these rows (Tables.stored_cells, of which the cell is not looked at). young: whether they
    are told by their values, else by their version.
    """
    sides: dict[tuple, list] = {}
    for key, model, btc, difficulty in rows:
        side = sides.setdefault((key[0], model), [0, 0, 0])
        side[0] += 1
        side[1] += key_hash(key)
        side[2] += key_hash((key, btc, difficulty)) if young else 1
    filled = [(*side, n, str(keys), str(values)) for side, (n, keys, values) in sides.items()]
    schema = {"settlement_date": pl.Date, "miner_model": pl.String, "rows": pl.Int64}
    return pl.DataFrame(filled, schema={**schema, "checksum": pl.String, "contents": pl.String}, orient="row")


def held(*rows: Row, new: Sequence[tuple[tuple, str]], old: int = 0) -> pl.DataFrame:
    """As Tables.held says of these rows, worked out row by row; new: the key and model of those that were written; old:
    how many more there are, which are told by their version.
    """
    lines = [(DAY, None, None, len(rows) + old, *[None] * 5)] if len(rows) + old else []
    for is_new in (False, True):
        some = [row for row in rows if (row[:2] in new) == is_new]
        for day, model, n, keys, values in surveyed(*some).iter_rows():
            mine = [row for row in some if row[1] == model]
            odd = "NaN" in {row[2] for row in mine}
            satoshi = sum(Fraction(0 if odd else row[2]) * (key_hash(row[0]) & WEIGHTS) for row in mine) * 10**8
            whole = None if odd or satoshi.denominator > 1 else int(satoshi)
            difficulties = sorted((row[3] for row in mine), key=Decimal)
            lines.append((day, model, is_new, n, int(keys), int(values), whole, difficulties[0], difficulties[-1]))
    return pl.DataFrame(lines, schema=STORED_SUMS, orient="row")


WAS: Row = (A, "S9", "0.7", "1")
NEW = frame((B, "S9", "0.10000001"), (C, "S9", "0.2"))
OURS: tuple[Row, Row] = ((B, "S9", "0.10000001", str(DIFFICULTY)), (C, "S9", "0.2", str(DIFFICULTY)))
PAIRS = [row[:2] for row in OURS]
NUMERIC = Column("numeric")


def found(*rows: Row) -> list[str]:
    return discrepancies(surveyed(WAS), totals(NEW), held(*rows, new=PAIRS), NUMERIC)


def test_what_adds_up_has_no_discrepancy() -> None:
    assert found(WAS, *OURS) == []
    assert found(WAS, (B, "S9", "0.100000010", str(DIFFICULTY)), OURS[1]) == []


@pytest.mark.parametrize(
    ("held", "why"),
    [
        ([WAS, *OURS, OURS[0]], "3 of 2 new rows"),
        ([WAS, OURS[0]], "1 of 2 new rows"),
        ([WAS, OURS[0], OURS[0]], "other keys"),
        ([WAS, OURS[0], ((*C[:2], "t_a-1"), *OURS[1][1:])], "holds 2 rows, not 1"),
        ([WAS, OURS[0], (C, "S9", "0.20000001", str(DIFFICULTY))], "other BTC"),
        ([WAS, OURS[0], (C, "S9", "0.200000001", str(DIFFICULTY))], "other BTC"),
        ([WAS, OURS[0], (C, "S9", "NaN", str(DIFFICULTY))], "other BTC"),
        ([WAS, (B, *OURS[1][1:]), (C, *OURS[0][1:])], "other BTC"),
        ([WAS, OURS[0], (C, "S9", "0.2", "86388558925171")], "other difficulties"),
        ([(A, "S9", "0.8", "1"), *OURS], "some have changed"),
        ([(B, "S9", "0.7", "1"), *OURS], "holds 0 rows, not 1"),
        ([((*A[:2], "T_B-1"), "S9", "0.7", "1"), *OURS], "some have changed"),
        ([WAS, OURS[0], (C, "M20S", "0.2", str(DIFFICULTY))], "rows, not "),
    ],
    ids=[
        "a row more", "a row less", "one of two twice", "a name in lower case", "one satoshi", "less than a satoshi",
        "no number", "two values exchanged", "a difficulty cut", "the value of a row that was there",
        "a new key for a row that was there", "another key for a row that was there", "another model",
    ],
)  # fmt: skip
def test_anything_else_is_named_by_date(held: list[Row], why: str) -> None:
    lines = found(*held)
    assert lines
    assert lines[0].startswith(f"{DAY}")
    assert why in lines[0]


@pytest.mark.parametrize(
    ("there", "old", "fits"),
    [((), 2, True), ((WAS,), 2, False), ((), 1, False), ((WAS,), 1, False)],
    ids=["as they were", "one more", "one less", "another version of one"],
)
def test_rows_that_are_told_by_their_version_are_those_that_were_there(
    there: tuple[Row, ...], old: int, fits: bool
) -> None:
    before = surveyed(WAS, ((DAY, 4, "T_A-1"), "S9", "0.5", "1"), young=False)
    lines = discrepancies(before, totals(NEW), held(*there, *OURS, new=PAIRS, old=old), NUMERIC)
    assert (lines == []) == fits


def test_a_date_that_the_server_does_not_show_is_a_discrepancy() -> None:
    assert len(discrepancies(surveyed(), totals(NEW), held(new=[]), NUMERIC)) == 1


def test_surplus_rows_that_were_there_before_are_none_of_ours() -> None:
    twice: list[Row] = [WAS, WAS, ((DAY, 9, "T_GONE-1"), "S9", "NaN", "1")]
    assert discrepancies(surveyed(*twice), totals(NEW), held(*twice, *OURS, new=PAIRS), NUMERIC) == []


def test_lots_of_one_date_add_up_to_the_whole() -> None:
    lots = sum_totals([totals(frame((B, "S9", "0.10000001"))), totals(frame((C, "S9", "0.2")))])
    assert_frame_equal(lots, totals(NEW), check_column_order=False)
    assert lots.select("rows", "btc").row(0) == (2, Decimal("0.30000001"))


@pytest.mark.parametrize(
    ("column", "held_as"),
    [
        (NUMERIC, "86388558925171.025"),
        (Column("numeric", 2), "86388558925171.03"),
        (Column("numeric", 0), "86388558925171"),
        (Column("float8"), "86388558925171.03"),
    ],
)
def test_a_difficulty_counts_as_the_column_holds_it(column: Column, held_as: str) -> None:
    row: Row = (B, "S9", "0.1", held_as)
    new, stored = totals(frame((B, "S9", "0.1"))), held(row, new=[row[:2]])
    assert compared(new, stored, column).get_column("off").to_list() == [None]
    other: Row = (B, "S9", "0.1", str(Decimal(held_as) + Decimal("0.01")))
    assert compared(new, held(other, new=[row[:2]]), column).get_column("off").to_list() == ["difficulty"]
