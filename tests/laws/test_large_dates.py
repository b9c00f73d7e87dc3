"""A date that is judged some settlement periods at a time is judged as if it had been read at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from functools import partial
from pathlib import Path
from typing import NamedTuple

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from recon.core import gaps
from recon.core.chunks import period_groups
from recon.core.price import calculations
from recon.core.schema import SOURCE_ROWS, STORED
from recon.core.settings import Fleet
from recon.reconcile import value_check
from recon.reference import reference
from recon.values import summary
from recon.values.judging import Judge
from recon.values.summary import Part
from recon.values.tolerance import Tolerance
from tests.support.builders import DAY, MODELS, energy_frame

REFERENCE = reference.load(None, None, None, Path("/nowhere"))
WITHOUT_DIFFICULTY = date(2031, 1, 1)
NEAR = Tolerance()
PERIODS = (1, 2, 3, 4)
FARMS = ("T_A-1", "T_B-1", "T_C-1")
OTHER_EPOCH = 108105433845147.0
REPAIRS = frozenset({"missing", "wrong", "duplicate", "orphan"})


class Due(NamedTuple):
    """What a row should hold, and the BTC of whole machines."""

    btc: float
    whole: float
    difficulty: float


FATES: dict[str, Callable[[Due], tuple[float | None, float | None]]] = {
    "right": lambda due: (due.btc, due.difficulty),
    "whole": lambda due: (due.whole, due.difficulty),
    "doubled": lambda due: (due.btc * 2, due.difficulty),
    "a factor": lambda due: (due.btc * 1.0339, due.difficulty),
    "other epoch": lambda due: (due.btc * due.difficulty / OTHER_EPOCH, OTHER_EPOCH),
    "zero": lambda due: (0.0, due.difficulty),
    "nan": lambda due: (float("nan"), due.difficulty),
    "null": lambda due: (due.btc, None),
    "own difficulty": lambda due: (due.btc, due.difficulty + due.btc * 1e9 + 1e12),
}
"""What can become of a row: its BTC and difficulty."""
FEW = settings(max_examples=150, deadline=None)


def priced(keys: pl.DataFrame, fleet: Fleet) -> dict[tuple, tuple[float, float]]:
    terms = REFERENCE.terms(keys.get_column("settlement_date").unique().to_list()).lazy()
    rows = calculations(keys.lazy(), REFERENCE.miners.lazy(), terms, fleet).collect()
    named = rows.select(*keys.columns[:3], "miner_model", "bitcoin_mined", "difficulty").iter_rows()
    return {tuple(key): (float(btc or 0), float(due or 1e13)) for *key, btc, due in named}


@st.composite
def tables(draw: st.DrawFn) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The keys of a date (ENERGY) and what is stored for it (STORED): most of it as one kind of writer leaves it."""
    day = draw(st.sampled_from([DAY, DAY, DAY, WITHOUT_DIFFICULTY]))
    energies = st.sampled_from([0.0, 0.4, 1.525, 3.7, 812.25])
    pairs = draw(st.dictionaries(st.tuples(st.sampled_from(PERIODS), st.sampled_from(FARMS)), energies, min_size=1))
    keys = energy_frame((day, period, farm, mwh) for (period, farm), mwh in sorted(pairs.items()))
    right, whole = priced(keys, Fleet.FRACTIONAL), priced(keys, Fleet.WHOLE)
    kinds = draw(st.lists(st.sampled_from(["right", "whole", "whole", *FATES]), min_size=1, max_size=2))
    usual = {period: draw(st.sampled_from(kinds)) for period in PERIODS}
    others = draw(st.sampled_from([0, 0, 1])) * list(FATES)
    rows = [
        (*key, *FATES[draw(st.sampled_from([usual[key[1]]] * 12 + others))](Due(btc, whole[key][0], due)))
        for key, (btc, due) in right.items()
        for _ in range(draw(st.sampled_from([1, 1, 1, 1, 0, 2, 3])))
    ]
    for _ in range(draw(st.integers(0, 3))):
        period = draw(st.sampled_from([*PERIODS, None, -3, 51]))
        farm, model = draw(st.sampled_from([*FARMS, "T_OLD", None])), draw(st.sampled_from([*MODELS, "T17", None]))
        if (day, period, farm, model) not in right:
            rows.append((day, period, farm, model, draw(st.sampled_from([0.0, 0.5])), OTHER_EPOCH))
    order = draw(st.permutations(range(len(rows))))
    stored = [(f"{n:04}", *rows[at]) for n, at in enumerate(order)]
    return keys, pl.DataFrame(stored, schema=STORED, orient="row")


def of(frame: pl.DataFrame, periods: Sequence[int | None]) -> pl.DataFrame:
    return frame.filter(pl.col("settlement_period").is_in(list(periods), nulls_equal=True))


def judged(
    keys: pl.DataFrame, stored: pl.DataFrame, fleet: Fleet, groups: Sequence[Sequence[int | None]]
) -> list[pl.DataFrame]:
    pieces = [(of(keys, group), of(stored, group)) for group in groups]
    judge = Judge(REFERENCE, fleet, NEAR)
    whole = len(pieces) == 1 or judge.priced_whole(pieces)
    return [judge.verdicts(part, rows, whole_dates=whole) for part, rows in pieces]


def shares(keys: pl.DataFrame, some: pl.DataFrame) -> pl.DataFrame:
    one = keys.with_columns(source_rows=pl.lit(2, pl.Int64), row_mwh=pl.concat_list(pl.col("energy_mwh") / 2))
    return one.cast(SOURCE_ROWS).join(some, on=["settlement_date", "settlement_period", "farm_id"], how="semi")  # type: ignore[arg-type]


def part(keys: pl.DataFrame, pieces: Sequence[pl.DataFrame]) -> Part:
    return summary.folded([summary.traces(piece, partial(shares, keys)) for piece in pieces], REFERENCE)


@FEW
@given(tables(), st.sampled_from(Fleet), st.integers(1, 12))
def test_verdicts_and_summaries_are_those_of_the_whole_date(
    table: tuple[pl.DataFrame, pl.DataFrame], fleet: Fleet, most: int
) -> None:
    keys, stored = table
    sizes = stored.group_by("settlement_period").len().sort("settlement_period")
    without = sorted({*keys["settlement_period"]} - {*stored["settlement_period"]})
    groups = [*period_groups(sizes.iter_rows(), most), *([period] for period in without)]
    everything = [[None, *range(-10, 60)]]
    (whole,), pieces = judged(keys, stored, fleet, everything), judged(keys, stored, fleet, groups)
    assert_frame_equal(pl.concat([whole.clear(), *pieces]).sort("row_id"), whole.sort("row_id"))
    for found, wanted in zip(part(keys, pieces or [whole]), part(keys, [whole]), strict=True):
        assert_frame_equal(found, wanted, check_row_order=False)
    for repairs in (REPAIRS, frozenset({"orphan"}), frozenset({"wrong"})):
        for listed in (True, False):
            changes = partial(value_check._rows_to_change, repairs, listed, _=partial(shares, keys))
            apart = value_check._unless_blocked([changes(rows=piece) for piece in pieces or [whole]])
            once = value_check._unless_blocked([changes(rows=whole)])
            both = [frame.group_by("settlement_date").sum() if not listed else frame for frame in (apart, once)]
            assert_frame_equal(*both, check_row_order=False)
    miners = gaps.named(REFERENCE.models)
    apart = [gaps.count(of(keys, group).lazy(), miners, of(stored, group).lazy()).collect() for group in groups]
    assert_frame_equal(
        gaps.together(apart), gaps.count(keys.lazy(), miners, stored.lazy()).collect(), check_row_order=False
    )
