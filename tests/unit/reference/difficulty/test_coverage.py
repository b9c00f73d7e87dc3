"""Intervals of dates, with holes between them."""

from __future__ import annotations

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from recon.reference.difficulty.coverage import Coverage, hole_text

START = date(2024, 1, 1)
SPANS = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)))


def day(number: int) -> date:
    return START + timedelta(days=number)


def of(*spans: tuple[int, int]) -> Coverage:
    return Coverage.of((day(first), day(last)) for first, last in spans)


@given(SPANS)
def test_intervals_cover_what_their_days_do(spans: list[tuple[int, int]]) -> None:
    covered = {n for first, last in spans for n in range(first, last + 1)}
    found = of(*spans)
    assert {n for n in range(61) if day(n) in found} == covered
    assert all(other[0] - one[1] > timedelta(days=1) for one, other in zip(found.spans, found.spans[1:], strict=False))
    if covered:
        missing = set(range(min(covered), max(covered) + 1)) - covered
        assert {n for n in range(61) for first, last in found.holes if first <= day(n) <= last} == missing


@given(SPANS, SPANS)
def test_what_is_lost_is_what_one_covers_and_the_other_does_not(
    one: list[tuple[int, int]], other: list[tuple[int, int]]
) -> None:
    lost = of(*one).lost(of(*other))
    assert all((day(n) in lost) is (day(n) in of(*one) and day(n) not in of(*other)) for n in range(61))


def test_days_left_are_counted_to_the_next_hole_and_below_zero_within_one() -> None:
    found = of((10, 20), (30, 40))
    assert [found.days_left(day(n)) for n in (10, 20, 21, 29, 30, 40, 45)] == [10, 0, -1, -9, 10, 0, -5]
    assert found.days_left(day(8)) == -2
    assert (found.first, found.known_through) == (day(10), day(40))


def test_a_hole_is_told_in_words() -> None:
    assert hole_text([(START, START)]) == "1 date, 2024-01-01"
    assert hole_text([(START, day(2)), (day(5), day(5))]) == "4 dates, 2024-01-01 to 2024-01-03, 2024-01-06"
    many = [(day(3 * n), day(3 * n + 1)) for n in range(9)]
    assert hole_text(many[2:]) == (
        "14 dates, 2024-01-07 to 2024-01-08, 2024-01-10 to 2024-01-11, 2024-01-13 to 2024-01-14 and 4 more"
    )
