"""Dates cut into chunks, chunks into halves, a large date into groups of settlement periods."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recon.core.chunks import chunks, halves, halving, on_timeout, period_groups, split_range
from recon.core.errors import DatabaseError
from tests.support.builders import days

APRIL = days(date(2024, 4, 1), 30)


def test_a_chunk_holds_at_most_the_dates_asked_for() -> None:
    found = list(chunks([(day, 10) for day in APRIL[:5]], max_dates=2, max_rows=1000))
    assert found == [APRIL[:2], APRIL[2:4], APRIL[4:5]]


def test_one_date_larger_than_the_limit_is_a_chunk_of_its_own() -> None:
    found = list(chunks([(APRIL[0], 10), (APRIL[1], 5000), (APRIL[2], 10)], max_dates=30, max_rows=1000))
    assert found == [[APRIL[0]], [APRIL[1]], [APRIL[2]]]


def test_no_dates_make_no_chunk() -> None:
    assert list(chunks([], max_dates=3, max_rows=10)) == []


@given(st.lists(st.integers(0, 500), max_size=30), st.integers(1, 8), st.integers(1, 600))
def test_chunks_together_are_all_dates_in_their_order_and_within_the_limits(
    sizes: list[int], max_dates: int, max_rows: int
) -> None:
    dates = list(zip(APRIL, sizes, strict=False))
    found = list(chunks(dates, max_dates=max_dates, max_rows=max_rows))
    assert [day for chunk in found for day in chunk] == [day for day, _ in dates]
    rows = dict(dates)
    for chunk in found:
        assert 1 <= len(chunk) <= max_dates
        assert len(chunk) == 1 or sum(rows[day] for day in chunk) <= max_rows


def test_a_period_larger_than_the_limit_is_a_group_of_its_own() -> None:
    found = list(period_groups([(None, 10), (1, 5000), (2, 10), (3, 990), (4, 1)], max_rows=1000))
    assert found == [[None], [1], [2, 3], [4]]
    assert list(period_groups([], max_rows=10)) == []


@given(st.lists(st.integers(0, 500), max_size=50), st.integers(1, 600))
def test_groups_of_periods_together_are_all_periods_in_their_order_and_within_the_limit(
    sizes: list[int], max_rows: int
) -> None:
    periods: list[int | None] = [None, *range(1, 50)]
    rows = dict(zip(periods, sizes, strict=False))
    found = list(period_groups(rows.items(), max_rows))
    assert [period for group in found for period in group] == list(rows)
    for group in found:
        assert len(group) == 1 or sum(rows[period] for period in group) <= max_rows
    for group, following in pairwise(found):
        assert sum(rows[period] for period in (*group, following[0])) > max_rows, "no group is smaller than need be"


def test_halves_of_an_odd_number_put_more_into_the_first() -> None:
    assert halves(APRIL[:3]) == [APRIL[:2], APRIL[2:3]]
    assert halves(APRIL[:1]) == []


@given(st.integers(1, 30), st.integers(1, 8))
def test_what_times_out_is_halved_until_it_does_not_with_no_date_left_out_or_done_twice(count: int, most: int) -> None:
    tried: list[int] = []

    def work(dates: Sequence[date]) -> Sequence[date]:
        if len(dates) > most:
            raise DatabaseError("too slow", code="timeout")
        return dates

    cut = on_timeout(halves)
    parts = list(halving(work, APRIL[:count], cut, lambda dates, _: tried.append(len(dates))))
    assert [day for part in parts for day in part] == APRIL[:count]
    assert max(map(len, parts)) <= most
    assert all(dates > most for dates in tried)


def test_another_error_and_a_single_date_that_times_out_are_not_tried_again() -> None:
    errors = [DatabaseError("gone", code="connect"), DatabaseError("too slow", code="timeout")]

    def work(_: Sequence[date]) -> None:
        raise errors[0]

    with pytest.raises(DatabaseError, match="gone"):
        list(halving(work, APRIL, on_timeout(halves)))
    errors.pop(0)
    with pytest.raises(DatabaseError, match="too slow"):
        list(halving(work, APRIL[:1], on_timeout(halves)))


@given(st.integers(0, 29), st.integers(0, 29))
def test_a_split_range_leaves_no_date_out_and_none_twice(one: int, other: int) -> None:
    first, last = sorted((one, other))
    if first == last:
        return
    (a, b), (c, d) = split_range((APRIL[first], APRIL[last]))
    assert (a, d) == (APRIL[first], APRIL[last])
    assert (c - b).days == 1
    assert a <= b
    assert c <= d
