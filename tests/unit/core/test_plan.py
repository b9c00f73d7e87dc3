"""The list of dates to work on."""

from __future__ import annotations

import polars as pl
import pytest

from recon.core.plan import plan
from recon.core.schema import COUNTS
from recon.core.settings import Order
from recon.core.window import Window
from recon.reconcile.status import Status
from tests.support.builders import DAY, days, terms_frame

DATES = days(DAY, 4)


def status(*missing: int) -> Status:
    """A status with one expected pair more than is missing on each date."""
    counts = [(day, "S9", n + 1, 1, 0, 0) for day, n in zip(DATES, missing, strict=False)]
    return Status(Window(), ("S9",), pl.DataFrame(), pl.DataFrame(counts, schema=COUNTS, orient="row"))


TERMS = pl.concat(terms_frame(day) for day in DATES)


@pytest.mark.parametrize(("order", "first"), [(Order.NEWEST, 3), (Order.OLDEST, 0)])
def test_dates_come_in_the_order_asked_for(order: Order, first: int) -> None:
    planned = plan(status(1, 1, 1, 1).dates, TERMS, order)
    assert [date.day for date in planned] == (DATES if first == 0 else DATES[::-1])


def test_a_complete_date_is_not_planned() -> None:
    planned = plan(status(2, 0, 5, 0).dates, TERMS, Order.OLDEST)
    assert [(date.day, date.expected, date.missing) for date in planned] == [(DATES[0], 3, 2), (DATES[2], 6, 5)]


@pytest.mark.parametrize(
    ("terms", "words"),
    [
        (terms_frame(DATES[0], difficulty=None), ("no difficulty", "recon difficulty update")),
        (terms_frame(DATES[0], subsidy=None), ("no block subsidy", "--subsidy FILE")),
        (terms_frame(DATES[1]), ("no difficulty",)),
    ],
    ids=["difficulty", "subsidy", "neither"],
)
def test_a_date_that_cannot_be_priced_is_blocked_and_says_what_mends_it(
    terms: pl.DataFrame, words: tuple[str, ...]
) -> None:
    (planned,) = plan(status(2).dates, terms, Order.OLDEST)
    assert planned.blocked
    assert all(word in planned.blocked for word in (*words, "for this date"))
    assert (planned.result.status, planned.result.inserted) == ("blocked", 0)


def test_a_repair_plans_the_dates_whose_rows_it_changes() -> None:
    planned = plan(status(0, 2).dates, TERMS, Order.OLDEST, frozenset({"wrong"}), {DATES[0]: 7})
    assert [(date.day, date.missing, date.changes) for date in planned] == [(DATES[0], 0, 7)]
