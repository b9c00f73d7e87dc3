"""Laws of the whole job without a server: what is missing, priced and added makes the tables agree."""

from __future__ import annotations

from datetime import date
from fractions import Fraction

import polars as pl
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from recon.core.chunks import chunks
from recon.core.gaps import count, missing
from recon.core.price import calculations
from recon.core.schema import CALC_KEY
from recon.core.settings import Fleet
from tests.support import oracle
from tests.support.builders import MODELS, CalcKey, days, done_frame, energy_frame, miner_frame, terms_frame

DATES = days(date(2024, 4, 18), 5)
"""Around the halving."""
ENERGY = st.dictionaries(
    st.tuples(st.sampled_from(DATES), st.integers(1, 3), st.sampled_from(["T_A-1", "T_B-1"])),
    st.integers(0, 200_000).map(lambda n: n / 240),
    max_size=15,
)
DONE = st.lists(
    st.tuples(st.sampled_from(DATES), st.integers(1, 4), st.just("T_A-1"), st.sampled_from([*MODELS, "T17"])),
    max_size=15,
)
FLEETS = st.sampled_from(list(Fleet))
TERMS = pl.concat(terms_frame(day, str(oracle.difficulty(day)), float(oracle.subsidy(day))) for day in DATES)


def wanted(energy: dict, fleet: Fleet = Fleet.FRACTIONAL, terms: pl.DataFrame = TERMS) -> pl.DataFrame:
    keys = energy_frame((*key, mwh) for key, mwh in energy.items())
    return calculations(keys.lazy(), miner_frame().lazy(), terms.lazy(), fleet).collect()


def gaps(energy: dict, done: list[CalcKey], fleet: Fleet = Fleet.FRACTIONAL) -> pl.DataFrame:
    return missing(wanted(energy, fleet).lazy(), done_frame(done).lazy()).collect()


@given(ENERGY, DONE, FLEETS)
def test_after_the_gaps_are_filled_nothing_is_missing_and_nothing_new_is_twice(
    energy: dict, done: list[CalcKey], fleet: Fleet
) -> None:
    filled = [*done, *gaps(energy, done, fleet).select(CALC_KEY).iter_rows()]
    assert gaps(energy, filled, fleet).is_empty()
    keys = energy_frame((*key, mwh) for key, mwh in energy.items())
    before, after = (
        count(keys.lazy(), miner_frame().lazy(), done_frame(rows).lazy()).collect().sum() for rows in (done, filled)
    )
    assert after.item(0, "matched") == after.item(0, "expected")
    assert after.select("duplicate", "orphan").equals(before.select("duplicate", "orphan"))


@given(ENERGY, DONE, st.integers(1, 5), st.integers(1, 10), FLEETS)
def test_chunks_sum_to_the_whole(energy: dict, done: list[CalcKey], dates: int, rows: int, fleet: Fleet) -> None:
    per_date = {day: sum(key[0] == day for key in energy) for day in DATES}
    parts = [
        gaps({key: mwh for key, mwh in energy.items() if key[0] in chunk}, done, fleet)
        for chunk in chunks(per_date.items(), max_dates=dates, max_rows=rows)
    ]
    assert_frame_equal(pl.concat(parts), gaps(energy, done, fleet), check_row_order=False)


@given(ENERGY)
def test_every_row_agrees_with_exact_arithmetic(energy: dict) -> None:
    for row in wanted(energy).iter_rows(named=True):
        day = row["settlement_date"]
        exact = oracle.bitcoin(
            Fraction(row["energy_mwh"]), row["miner_model"], oracle.difficulty(day), oracle.subsidy(day)
        )
        assert abs(Fraction(row["bitcoin_mined"]) - exact) * 10**8 <= Fraction(1, 2) + exact * 10**8 / 2**49
        assert row["difficulty"] == oracle.difficulty(day)


@given(ENERGY)
def test_a_date_without_difficulty_is_never_priced_with_its_neighbours(energy: dict) -> None:
    gone = DATES[2]
    rows = wanted(energy, terms=TERMS.filter(pl.col("settlement_date") != gone))
    assert rows.height == len(energy) * len(MODELS)
    assert (rows.get_column("bitcoin_mined").is_null() == (rows.get_column("settlement_date") == gone)).all()
