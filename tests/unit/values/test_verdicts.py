"""The verdict on every stored row, each where it begins and where it ends."""

from __future__ import annotations

import math
from datetime import date, timedelta
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recon.core.schema import BTC, CALC_KEY_SCHEMA, STORED
from recon.values.repairs import to_change
from recon.values.tally import MIXED, several_difficulties, summarize, tally
from recon.values.tolerance import Tolerance
from recon.values.verdicts import SURPLUS, WRONG, judge, judge_doubtful
from tests.support.builders import DAY, Key, miner_frame

DUE = 80e12
"""The difficulty of every date here."""
OLD = 100e12
BTC_DUE = 0.5
WHOLE = 0.4
"""What whole machines would have mined."""
NEXT = DAY + timedelta(days=1)
A, B, C = ((DAY, period, "T_A-1") for period in (1, 2, 3))
INF, NAN = math.inf, math.nan
ALL = frozenset({"missing", "wrong", "duplicate", "orphan"})

Row = tuple[Key, str, float | None, float | None]
"""A stored row: key, miner model, BTC, difficulty."""


def wanted(*keys: Key, btc: float = BTC_DUE, whole: float = WHOLE, priced: bool = True) -> pl.LazyFrame:
    """What should be stored: every key with S9 and M20S, all worth the same."""
    schema = {**CALC_KEY_SCHEMA, "bitcoin_mined": BTC, "difficulty_float": pl.Float64, "whole_btc": BTC}
    values = (Decimal(str(btc)), DUE, Decimal(str(whole))) if priced else (None, None, None)
    return pl.LazyFrame([(*key, model, *values) for key in keys for model in ("S9", "M20S")], schema, orient="row")


def stored(*rows: Row) -> pl.LazyFrame:
    """The table's rows, numbered as they are written here."""
    numbered = [(f"{n:03}", *key, model, btc, difficulty) for n, (key, model, btc, difficulty) in enumerate(rows)]
    return pl.LazyFrame(numbered, schema=STORED, orient="row")


def judged(
    *rows: Row,
    expected: pl.LazyFrame | None = None,
    tolerance: Tolerance | None = None,
) -> pl.DataFrame:
    """The verdicts in order of the rows, the same by both ways; keys A and B are expected unless given otherwise."""
    asked = wanted(A, B) if expected is None else expected
    models = miner_frame(("S9", "M20S")).lazy()

    def look(some: pl.DataFrame) -> pl.DataFrame:
        return judge(asked, some.lazy(), models, tolerance).collect()

    everything = stored(*rows).collect()
    found = look(everything).sort("row_id")
    quickly = judge_doubtful(asked.drop("whole_btc"), everything, look, tolerance).sort("row_id")
    assert found.height == len(rows) and found.equals(quickly)
    return found


def verdicts(*rows: Row, **more: object) -> list[str]:
    return judged(*rows, **more).get_column("verdict").to_list()  # type: ignore[arg-type]


def one(btc: float | None, difficulty: float | None = DUE, **more: object) -> str:
    """The verdict on one row; another of its date is right, so that the date is not priced whole."""
    return verdicts((A, "S9", btc, difficulty), (B, "S9", BTC_DUE, DUE), **more)[0]


@pytest.mark.parametrize(
    ("btc", "difficulty", "verdict"),
    [
        (BTC_DUE, DUE, "ok"),
        (0.6, DUE, "stale"),
        (0.6, OLD, "stale"),
        (BTC_DUE * DUE / OLD, DUE, "stale"),  # the other epoch's BTC beside the right difficulty
        (BTC_DUE * DUE / OLD, OLD, "wrong_difficulty"),  # goes with its own
        (BTC_DUE, OLD, "wrong_difficulty"),  # goes with the date's
        (0.0, DUE, "zero"),
        (0.0, OLD, "zero"),
        (-BTC_DUE, DUE, "negative"),
        (-1e-7, OLD, "negative"),
        (NAN, DUE, "nan"),
        (BTC_DUE, NAN, "nan"),
        (INF, DUE, "nan"),
        (-INF, DUE, "nan"),
        (BTC_DUE, INF, "nan"),
        (None, DUE, "nan"),
        (BTC_DUE, None, "nan"),
        (BTC_DUE, 0.0, "wrong_difficulty"),
        (0.7, 0.0, "stale"),  # a difficulty of 0 goes with no BTC at all
        (0.7, -DUE, "stale"),
        (BTC_DUE, -DUE, "wrong_difficulty"),
        (WHOLE, DUE, "stale"),  # a single whole row of a date that is not priced so
    ],
)
def test_a_row_of_an_expected_pair(btc: float | None, difficulty: float | None, verdict: str) -> None:
    assert one(btc, difficulty) == verdict


def test_a_key_without_energy_is_worth_0_btc() -> None:
    nothing = wanted(A, btc=0, whole=0)
    assert verdicts((A, "S9", 0.0, DUE), (A, "M20S", 0.0, OLD), expected=nothing) == ["ok", "wrong_difficulty"]
    found = judged((A, "S9", 0.3, DUE), expected=nothing)
    assert found.select("verdict", "expected_btc", "ratio").rows() == [("stale", 0.0, None)]


def test_rows_that_nothing_asks_for() -> None:
    rows = (
        (A, "T17", BTC_DUE, DUE),
        (C, "S9", BTC_DUE, DUE),
        ((DAY, 1, "T_B-1"), "S9", 0.0, DUE),
        (C, "T17", NAN, None),
        (B, "s9", BTC_DUE, DUE),
    )
    assert verdicts(*rows) == ["unknown_model", "orphan", "orphan", "unknown_model", "unknown_model"]


def test_null_keys_are_orphans_however_often() -> None:
    row = ((DAY, None, "T_A-1"), "S9", BTC_DUE, DUE)
    assert verdicts(row, row) == ["orphan", "orphan"]  # type: ignore[arg-type]


def test_a_date_without_difficulty_is_not_judged() -> None:
    rows = ((A, "S9", 7.0, OLD), (A, "S9", 8.0, OLD), (A, "M20S", NAN, DUE), (C, "S9", 1.0, DUE), (A, "T17", 1.0, DUE))
    found = verdicts(*rows, expected=wanted(A, priced=False))
    assert found == ["blocked", "duplicate", "blocked", "orphan", "unknown_model"]


class TestDuplicates:
    @pytest.mark.parametrize("right", [0, 1, 2])
    def test_the_one_that_agrees_is_kept_wherever_it_stands(self, right: int) -> None:
        rows: list[Row] = [(A, "S9", 0.7, DUE)] * 3
        rows[right] = (A, "S9", BTC_DUE, DUE)
        assert verdicts(*rows) == ["ok" if n == right else "duplicate" for n in range(3)]

    def test_of_several_that_agree_one_is_kept(self) -> None:
        assert verdicts(*[(A, "S9", BTC_DUE, DUE)] * 3) == ["ok", "duplicate", "duplicate"]

    def test_where_none_agrees_one_is_judged_and_the_others_are_duplicates(self) -> None:
        assert verdicts((A, "S9", -1.0, DUE), (A, "S9", 0.0, DUE)) == ["negative", "duplicate"]

    def test_models_and_keys_are_told_apart(self) -> None:
        rows = ((A, "S9", BTC_DUE, DUE), (A, "M20S", BTC_DUE, DUE), (B, "S9", BTC_DUE, DUE))
        assert verdicts(*rows) == ["ok"] * 3

    def test_orphans_and_unknown_models_are_what_they_are_however_often(self) -> None:
        rows = ((C, "S9", 1.0, DUE), (C, "S9", 1.0, DUE), (A, "T17", 1.0, DUE), (A, "T17", 1.0, DUE))
        assert verdicts(*rows) == ["orphan", "orphan", "unknown_model", "unknown_model"]


class TestWholeMachines:
    def test_a_date_all_of_whose_rows_agree_with_them_is_not_wrong(self) -> None:
        rows = ((A, "S9", WHOLE, DUE), (A, "M20S", WHOLE, DUE), (B, "S9", WHOLE, DUE))
        assert verdicts(*rows) == ["whole"] * 3

    @pytest.mark.parametrize("odd", [(B, "S9", BTC_DUE, DUE), (B, "S9", 0.0, DUE), (B, "S9", WHOLE, OLD)])
    def test_one_row_that_does_not_makes_the_others_wrong(self, odd: Row) -> None:
        assert verdicts((A, "S9", WHOLE, DUE), odd)[0] == "stale"

    def test_another_date_does_not_matter(self) -> None:
        later = (NEXT, 1, "T_A-1")
        rows = ((A, "S9", WHOLE, DUE), (later, "S9", BTC_DUE, DUE))
        assert verdicts(*rows, expected=wanted(A, later)) == ["whole", "ok"]

    def test_surplus_rows_do_not_matter_and_keep_their_verdicts(self) -> None:
        rows = ((A, "S9", WHOLE, DUE), (A, "S9", 7.0, DUE), (C, "S9", 7.0, DUE), (A, "T17", 7.0, DUE))
        assert verdicts(*rows) == ["whole", "duplicate", "orphan", "unknown_model"]

    def test_of_a_pair_the_whole_row_is_kept(self) -> None:
        assert verdicts((A, "S9", 7.0, DUE), (A, "S9", WHOLE, DUE)) == ["duplicate", "whole"]

    def test_too_little_for_one_machine_is_0_btc_and_right(self) -> None:
        assert verdicts((A, "S9", 0.0, DUE), expected=wanted(A, whole=0)) == ["whole"]

    def test_rows_that_agree_with_both_are_ok(self) -> None:
        assert verdicts((A, "S9", BTC_DUE, DUE), expected=wanted(A, whole=BTC_DUE)) == ["ok"]


class TestTolerance:
    """Sums of powers of two, so that the border itself can be tested."""

    @pytest.mark.parametrize(("atol", "rtol", "slack"), [(0.25, 0, 0.25), (0, 0.5, 0.25), (0.125, 0.25, 0.25)])
    def test_the_border_belongs_to_the_right_values(self, atol: float, rtol: float, slack: float) -> None:
        due = {"expected": wanted(A, B, whole=9), "tolerance": Tolerance(atol, rtol)}
        for sign in (1, -1):
            assert one(BTC_DUE + sign * slack, **due) == "ok"
            assert one(BTC_DUE + sign * slack * 1.001, **due) == "stale"

    def test_by_default_a_satoshi_and_a_millionth(self) -> None:
        tiny = wanted(A, B, btc=0.0000002, whole=0.0000001)
        assert one(0.50000050, tolerance=None) == "ok"
        assert one(0.50000052, tolerance=None) == "stale"
        assert one(0.00000021, expected=tiny) == "ok"
        assert one(0.00000022, expected=tiny) == "stale"

    def test_nothing_but_the_exact_value_without_tolerance(self) -> None:
        strict = Tolerance(0, 0)
        assert one(BTC_DUE, tolerance=strict) == "ok"
        assert one(0.50000001, tolerance=strict) == "stale"
        assert one(BTC_DUE, DUE + 1, tolerance=strict) == "wrong_difficulty"

    @pytest.mark.parametrize(("off", "verdict"), [(DUE / 4, "ok"), (-DUE / 4, "ok"), (DUE / 3.9, "wrong_difficulty")])
    def test_difficulties_agree_within_rtol_alone(self, off: float, verdict: str) -> None:
        assert one(BTC_DUE, DUE + off, tolerance=Tolerance(0, 0.25)) == verdict
        assert one(BTC_DUE, DUE + off, tolerance=Tolerance(1e15, 0.25)) == verdict

    def test_zero_is_right_where_the_tolerance_reaches_it(self) -> None:
        tiny = wanted(A, B, btc=0.00000001)
        assert one(0.0, expected=tiny) == "ok"
        assert one(0.0, tolerance=Tolerance(1, 0)) == "ok"
        assert one(-0.00000001, expected=wanted(A, B, btc=0)) == "ok"

    def test_a_satoshi_of_a_low_difficulty_is_many_of_a_high_one(self) -> None:
        """BTC was rounded at the row's own difficulty, a thousandth of the date's."""
        tiny = wanted(A, B, btc=0.0000002, whole=0)
        assert one(0.000205, DUE / 1000, expected=tiny) == "wrong_difficulty"
        assert one(0.000220, DUE / 1000, expected=tiny) == "stale"


class TestDoomed:
    ROWS = (
        (A, "S9", 0.7, DUE),
        (A, "M20S", BTC_DUE, DUE),
        (A, "M20S", BTC_DUE, DUE),
        (B, "S9", 0.0, DUE),
        (B, "S9", 0.0, DUE),
        (B, "M20S", NAN, OLD),
        (C, "S9", BTC_DUE, DUE),
        (A, "T17", BTC_DUE, DUE),
        ((DAY, 4, "T_A-1"), "S9", BTC_DUE, DUE),
    )
    """stale; ok and duplicate; zero and duplicate; nan; orphan; unknown model; orphan."""

    @pytest.mark.parametrize(
        ("repairs", "rows"),
        [
            ({"missing"}, []),
            ({"wrong"}, [0, 3, 4, 5]),  # both rows of a pair none of which agrees
            ({"duplicate"}, [2, 3, 4]),  # where none agrees, the last one goes too
            ({"orphan"}, [6, 7, 8]),
            (ALL, [0, 2, 3, 4, 5, 6, 7, 8]),
        ],
    )
    def test_every_repair_takes_its_own(self, repairs: set[str], rows: list[int]) -> None:
        found = judged(*self.ROWS)
        taken = to_change(found.lazy(), frozenset(repairs)).collect()
        assert sorted(map(int, taken.get_column("row_id"))) == rows
        assert set(taken.get_column("verdict")) <= {*WRONG, *SURPLUS}

    @pytest.mark.parametrize(
        ("repairs", "removed"),
        [({"wrong"}, []), ({"duplicate"}, [2, 4]), ({"orphan"}, [6, 7, 8]), (ALL, [2, 4, 6, 7, 8])],
    )
    def test_rows_are_removed_only_as_duplicates_and_orphans(self, repairs: set[str], removed: list[int]) -> None:
        """And of several rows none of which agrees one stays, to be given the right values."""
        found = judged(*self.ROWS)
        taken = to_change(found.lazy(), frozenset(repairs)).filter(pl.col("action") == "remove").collect()
        assert sorted(map(int, taken.get_column("row_id"))) == removed

    def test_nothing_of_a_date_without_difficulty(self) -> None:
        rows = ((A, "S9", 7.0, OLD), (A, "S9", 8.0, OLD), (C, "S9", 1.0, DUE))
        found = judged(*rows, expected=wanted(A, priced=False))
        assert to_change(found.lazy(), ALL).collect().is_empty()

    def test_nothing_of_a_date_that_is_priced_whole(self) -> None:
        found = judged((A, "S9", WHOLE, DUE), (B, "S9", WHOLE, DUE))
        assert to_change(found.lazy(), ALL).collect().is_empty()


class TestSummaries:
    def test_rows_are_counted_per_date_model_and_verdict_with_the_first_as_example(self) -> None:
        rows = ((B, "S9", 0.7, DUE), (A, "S9", 0.6, DUE), (A, "M20S", BTC_DUE, DUE), (C, "S9", 1.0, DUE))
        found = summarize(tally(judged(*rows).lazy())).collect()
        assert found.rows() == [
            (DAY, "M20S", "ok", 1, 1, "T_A-1", BTC_DUE, BTC_DUE),
            (DAY, "S9", "orphan", 1, 3, "T_A-1", 1.0, None),
            (DAY, "S9", "stale", 2, 1, "T_A-1", 0.6, BTC_DUE),
        ]

    def test_several_difficulties_within_a_date_are_counted(self) -> None:
        later = (NEXT, 1, "T_A-1")
        rows = (
            (A, "S9", BTC_DUE, DUE),
            (A, "M20S", BTC_DUE, OLD),
            (B, "S9", BTC_DUE, OLD),
            (C, "S9", BTC_DUE, 1.0),  # an orphan's does not count
            (later, "S9", BTC_DUE, OLD),
            (later, "M20S", BTC_DUE, OLD),
        )
        found = several_difficulties(tally(judged(*rows, expected=wanted(A, B, later)).lazy())).collect()
        columns = ["settlement_date", "miner_model", "of_date", "difficulties", "rows", "found"]
        assert found.select(columns).rows() == [
            (DAY, "M20S", 2, 1, 1, [OLD]),
            (DAY, "S9", 2, 2, 2, [DUE, OLD]),
        ]
        example = ["settlement_period", "farm_id", "stored_difficulty", "expected_difficulty"]
        assert found.select(example).rows() == [(1, "T_A-1", OLD, DUE), (2, "T_A-1", OLD, DUE)]
        assert dict(found.schema) == MIXED

    def test_of_many_difficulties_ten_are_named(self) -> None:
        keys = [(DAY, period, "T_A-1") for period in range(1, 41)]
        rows = [(key, "S9", BTC_DUE, 1000.0 - n) for n, key in enumerate(keys)]
        (found,) = several_difficulties(tally(judged(*rows, expected=wanted(*keys)).lazy())).collect().to_dicts()
        assert (found["of_date"], found["difficulties"], found["rows"]) == (40, 40, 40)
        assert found["found"] == [961.0 + n for n in range(10)]

    def test_an_empty_table_has_no_verdict(self) -> None:
        found = judged()
        assert found.is_empty()
        assert summarize(tally(found.lazy())).collect().is_empty()
        assert several_difficulties(tally(found.lazy())).collect().is_empty()


def test_the_ratio_is_stored_over_expected() -> None:
    found = judged((A, "S9", 1.0, DUE), (B, "S9", 0.0, DUE), (B, "M20S", -0.25, DUE), (C, "S9", 1.0, DUE))
    assert found.get_column("ratio").to_list() == [2.0, 0.0, -0.5, None]


def test_dates_are_judged_each_by_itself() -> None:
    days = [date(2024, 1, n) for n in range(1, 6)]
    rows = [((day, 1, "T_A-1"), "S9", btc, DUE) for day, btc in zip(days, (0.5, 0.6, 0.0, -1.0, NAN), strict=True)]
    found = verdicts(*rows, expected=wanted(*(key for key, *_ in rows)))
    assert found == ["ok", "stale", "zero", "negative", "nan"]


PAIRS = st.tuples(
    st.sampled_from([A, B, C, (NEXT, 1, "T_A-1"), (NEXT, 2, "T_A-1")]), st.sampled_from(["S9", "M20S", "T17"])
)
VALUES = st.sampled_from([(BTC_DUE, DUE), (WHOLE, DUE), (0.6, DUE), (0.0, DUE), (BTC_DUE, OLD), (NAN, DUE)])


@given(st.lists(st.tuples(PAIRS, VALUES), max_size=14), st.sampled_from([WHOLE, BTC_DUE]))
def test_what_one_join_settles_is_what_judging_every_row_gives(
    rows: list[tuple[tuple[Key, str], tuple[float, float]]], whole: float
) -> None:
    asked = wanted(A, B, (NEXT, 1, "T_A-1"), whole=whole)
    judged(*((*pair, *values) for pair, values in rows), expected=asked)
