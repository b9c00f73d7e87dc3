"""What the server holds beside what was computed."""

from __future__ import annotations

from decimal import Decimal

import polars as pl
import pytest

from recon.schema import BTC, CALC_KEY_SCHEMA
from recon.verification import discrepancies, stored_sums, written_sums
from tests.builders import DAY, done_frame

A, B, C = ((DAY, period, "T_A-1") for period in (1, 2, 3))


def rows(*values: tuple[tuple, str, str]) -> pl.DataFrame:
    """Rows to write: (key, miner model, BTC)."""
    schema = {**CALC_KEY_SCHEMA, "bitcoin_mined": BTC}
    return pl.DataFrame([(*key, model, Decimal(btc)) for key, model, btc in values], schema=schema, orient="row")


def after(rows: int, pairs: int, written: int, bitcoin: str, model: str = "S9") -> pl.DataFrame:
    """What the server says of the one date."""
    names = ["settlement_date", "miner_model", "rows", "pairs", "written", "bitcoin"]
    return pl.DataFrame([(DAY, model, rows, pairs, written, bitcoin)], schema=names, orient="row")


DONE = done_frame([(*A, "S9")])
NEW = rows((B, "S9", "0.10000001"), (C, "S9", "0.2"))


def test_what_adds_up_has_no_discrepancy() -> None:
    assert discrepancies(DONE, written_sums(NEW), after(3, 3, 2, "0.30000001")) == []
    assert discrepancies(DONE, written_sums(NEW), after(3, 3, 2, "0.300000010")) == []


@pytest.mark.parametrize(
    ("server", "why"),
    [
        (after(4, 3, 2, "0.30000001"), "a row more"),
        (after(2, 2, 2, "0.30000001"), "a row less"),
        (after(3, 2, 2, "0.30000001"), "a pair twice"),
        (after(3, 3, 1, "0.30000001"), "a rival's row in place of ours"),
        (after(3, 3, 2, "0.30000002"), "one satoshi"),
        (after(3, 3, 2, "NaN"), "no number"),
        (after(3, 3, 2, "0.300000011"), "a fraction of a satoshi"),
        (after(3, 3, 2, "0.30000001", model="M20S"), "another model"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_anything_else_is_named_by_date_and_model(server: pl.DataFrame, why: str) -> None:
    found = discrepancies(DONE, written_sums(NEW), server)
    assert found, why
    assert found[0].startswith(f"{DAY} ")


def test_a_date_that_the_server_does_not_show_is_a_discrepancy() -> None:
    assert len(discrepancies(DONE, written_sums(NEW), after(3, 3, 2, "0.30000001").clear())) == 1


def test_duplicates_that_were_there_before_are_none_of_ours() -> None:
    done = done_frame([(*A, "S9"), (*A, "S9")])
    assert stored_sums(done).rows() == [(DAY, "S9", 2, 1)]
    assert discrepancies(done, written_sums(NEW), after(4, 3, 2, "0.30000001")) == []


def test_sums_are_exact_decimals() -> None:
    many = rows(*((key, "S9", "0.1") for key in (A, B, C)))
    assert written_sums(many).rows() == [(DAY, "S9", 3, Decimal("0.30000000"))]
