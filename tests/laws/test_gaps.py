"""Laws of gap counting, on any tables: beside plain Python sets and counters."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from datetime import date

import polars as pl
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from recon.core.gaps import Survey, after, count, expected, filled, missing, orphans, together
from recon.core.schema import PERIOD
from tests.support.builders import CalcKey, Key, done_frame, key_frame, miner_frame

DATE = ["settlement_date"]
MODELS = ["S9", "M20S"]
DAYS = st.sampled_from([date(2024, 4, 20), date(2024, 4, 21), date(2024, 10, 27)])
KEYS = st.tuples(DAYS, st.integers(1, 3), st.sampled_from(["T_A-1", "T_A-2"]))
CALCS = st.tuples(DAYS, st.integers(1, 4), st.sampled_from(["T_A-1", "T_A-2"]), st.sampled_from([*MODELS, "T17"]))
SOURCES = st.sets(KEYS, max_size=12)
STORED = st.lists(CALCS, max_size=25)


def wanted(keys: set[Key]) -> set[CalcKey]:
    return {(*key, model) for key in keys for model in MODELS}


def frames(keys: set[Key], done: list[CalcKey]) -> tuple[pl.LazyFrame, pl.LazyFrame]:
    models = miner_frame(MODELS).lazy().select("miner_model")
    return expected(key_frame(keys).lazy(), models), done_frame(done).lazy()


def totals(counts: pl.DataFrame) -> dict[tuple, tuple]:
    return {row[:2]: row[2:] for row in counts.iter_rows() if any(row[2:])}


def hashed(key: Key) -> int:
    """A 64-bit number for a key, as the server has one."""
    return random.Random(str(key)).randrange(-(2**63), 2**63)


def checksum(keys: list[Key]) -> str:
    return str(sum(map(hashed, keys)))


def surveyed(keys: set[Key], done: list[CalcKey], by: list[str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Both sides as the server's aggregates describe them, by date or by date and settlement period."""
    n = len(by)
    source = [
        (*d, count, checksum([k for k in keys if k[:n] == d])) for d, count in Counter(k[:n] for k in keys).items()
    ]
    stored = [
        (*d, m, count, checksum([c[:3] for c in done if (c[:n], c[3]) == (d, m)]))
        for (d, m), count in Counter((c[:n], c[3]) for c in done).items()
    ]
    grain = {"settlement_date": pl.Date, "settlement_period": pl.Int32}
    names = {name: grain[name] for name in by}
    keyed = {**names, "keys": pl.Int64, "checksum": pl.String}
    sides = {**names, "miner_model": pl.String, "rows": pl.Int64, "checksum": pl.String}
    return pl.DataFrame(source, schema=keyed, orient="row"), pl.DataFrame(stored, schema=sides, orient="row")


def by_hash(rows: Iterable[tuple]) -> pl.DataFrame:
    """Keys or calculations as they are told by their keys' hashes."""
    schema = {"settlement_date": pl.Date, "key_hash": pl.Int64, "miner_model": pl.String}
    rows = list(rows)
    names = schema if not rows or len(rows[0]) > 3 else {name: schema[name] for name in ("settlement_date", "key_hash")}
    return pl.DataFrame([(row[0], hashed(row[:3]), *row[3:]) for row in rows], schema=names, orient="row")


@given(SOURCES, STORED)
def test_missing_and_matched_are_disjoint_and_cover_what_is_expected(keys: set[Key], done: list[CalcKey]) -> None:
    left, right = frames(keys, done)
    absent = set(missing(left, right).collect().iter_rows())
    assert absent == wanted(keys) - set(done)
    assert absent | (wanted(keys) & set(done)) == wanted(keys)


@given(SOURCES, STORED)
def test_orphans_are_all_rows_that_nothing_asks_for(keys: set[Key], done: list[CalcKey]) -> None:
    found = Counter(orphans(*frames(keys, done)).collect().iter_rows())
    assert found == Counter(row for row in done if row not in wanted(keys))


@given(SOURCES, STORED)
def test_counts_are_those_of_sets_and_counters(keys: set[Key], done: list[CalcKey]) -> None:
    found = count(key_frame(keys).lazy(), miner_frame(MODELS).lazy(), done_frame(done).lazy()).collect()
    rows, asked = Counter(done), wanted(keys)
    for day, model, *counts in found.iter_rows():
        of_side = [pair for pair in asked | set(done) if (pair[0], pair[3]) == (day, model)]
        assert counts == [
            sum(pair in asked for pair in of_side),
            sum(pair in asked and rows[pair] > 0 for pair in of_side),
            sum(rows[pair] - 1 for pair in of_side if pair in asked and rows[pair]),
            sum(rows[pair] for pair in of_side if pair not in asked),
        ]
    assert sum(found.get_column("matched") + found.get_column("duplicate") + found.get_column("orphan")) == len(done)


@given(SOURCES, STORED, st.randoms())
def test_the_order_of_rows_does_not_matter(keys: set[Key], done: list[CalcKey], chance) -> None:
    def counted(rows: list[CalcKey]) -> pl.DataFrame:
        return count(key_frame(keys).lazy(), miner_frame(MODELS).lazy(), done_frame(rows).lazy()).collect()

    mixed = done.copy()
    chance.shuffle(mixed)
    assert_frame_equal(counted(done), counted(mixed), check_row_order=False)


@given(SOURCES, STORED, st.sampled_from([DATE, PERIOD]), st.booleans())
def test_the_survey_and_a_comparison_of_what_it_disputes_come_to_what_all_keys_come_to(
    keys: set[Key], done: list[CalcKey], by: list[str], deep: bool
) -> None:
    survey = Survey.of(*surveyed(keys, done, by), MODELS, by)
    compared = survey.everything if deep else survey.disputed
    some = set(compared.rows())
    pulled_keys = key_frame(key for key in keys if key[: len(by)] in some).lazy()
    pulled_done = done_frame(row for row in done if row[: len(by)] in some).lazy()
    counted = count(pulled_keys, miner_frame(MODELS).lazy(), pulled_done).collect()
    whole = count(key_frame(keys).lazy(), miner_frame(MODELS).lazy(), done_frame(done).lazy()).collect()
    assert totals(together([survey.counts(compared), counted])) == totals(whole)


@given(SOURCES, STORED, st.sampled_from([DATE, PERIOD]))
def test_what_lacks_rows_is_among_what_is_filled_and_bounds_are_bounds(
    keys: set[Key], done: list[CalcKey], by: list[str]
) -> None:
    survey = Survey.of(*surveyed(keys, done, by), MODELS, by)
    absent = wanted(keys) - set(done)
    assert {pair[: len(by)] for pair in absent} <= set(survey.unfilled.rows())
    assert set(survey.surely_unfilled.rows()) <= {pair[: len(by)] for pair in absent}
    bounds = survey.counts(survey.disputed.clear())
    assert (bounds["expected"] - bounds["matched"]).sum() <= len(absent)
    assert (bounds["matched"] + bounds["orphan"]).sum() == len(done)


@given(SOURCES, STORED)
def test_a_row_that_is_missing_alone_is_told_by_the_checksums(keys: set[Key], done: list[CalcKey]) -> None:
    """As long as the difference is a key's hash; then all that its settlement period lacks is known."""
    survey = Survey.of(*surveyed(keys, done, PERIOD), MODELS, PERIOD)
    by_hash_of = {(*key[:2], hashed(key)): key for key in keys}
    unknown = {row[:2] for row in survey.lone.iter_rows() if (*row[:2], row[3]) not in by_hash_of}
    told = [row for row in survey.lone.iter_rows() if row[:2] not in unknown]
    pairs = {(*by_hash_of[day, period, number], model) for day, period, model, number in told}
    sure = {pair[:2] for pair in pairs}
    assert pairs == {pair for pair in wanted(keys) - set(done) if pair[:2] in sure}
    alone = survey.counts(survey.unfilled.join(survey.lone, on=PERIOD, how="anti"))
    rows = pl.DataFrame(
        [(day, model) for day, _, model, _ in told], schema=["settlement_date", "miner_model"], orient="row"
    )
    if told and not unknown:
        counted = together([alone, filled(rows)])
        assert counted["matched"].sum() - alone["matched"].sum() == len(pairs)


@given(SOURCES, STORED)
def test_what_a_filled_chunk_counts_is_what_a_comparison_of_all_keys_counts(
    keys: set[Key], done: list[CalcKey]
) -> None:
    added = wanted(keys) - set(done)
    counted = after(by_hash(keys), MODELS, by_hash(done), by_hash(added), all_gaps=True)
    stored = done_frame([*done, *added]).lazy()
    assert totals(counted) == totals(count(key_frame(keys).lazy(), miner_frame(MODELS).lazy(), stored).collect())
    assert counted.get_column("expected").equals(counted.get_column("matched"), check_names=False)


@given(SOURCES, STORED)
def test_a_chunk_that_filled_nothing_is_compared_key_by_key(keys: set[Key], done: list[CalcKey]) -> None:
    counted = after(by_hash(keys), MODELS, by_hash(done), by_hash([]), all_gaps=False)
    whole = count(key_frame(keys).lazy(), miner_frame(MODELS).lazy(), done_frame(done).lazy()).collect()
    assert totals(counted) == totals(whole)
