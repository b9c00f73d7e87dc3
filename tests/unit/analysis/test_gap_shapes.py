"""What the gaps within a date look like: whole farms, whole periods, or neither."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from recon.analysis import gap_shapes
from recon.analysis.gap_findings import shape_findings
from recon.analysis.gap_shapes import FARM_GAPS, SHAPES
from recon.core.schema import CALC_KEY, COUNTS, KEY_SCHEMA
from recon.core.window import Window
from recon.reconcile.status import Status
from tests.support.wording import facts

DAY = date(2024, 4, 20)
MODELS = ["S19J_PRO", "S9", "M20S"]
MINERS = pl.DataFrame({"miner_model": MODELS})
P, F, M = pl.col("settlement_period"), pl.col("farm_id"), pl.col("miner_model")

Key = tuple[date, int, str]


def keys(*rows: Key) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=KEY_SCHEMA, orient="row")


def grid(days: int = 1, periods: int = 8, farms: int = 5) -> pl.DataFrame:
    """Every farm in every period of some dates."""
    return keys(
        *(
            (DAY + timedelta(days=d), p, f"F{f}")
            for d in range(days)
            for p in range(1, periods + 1)
            for f in range(1, farms + 1)
        )
    )


def marked(held: pl.DataFrame, lost: pl.Expr) -> pl.LazyFrame:
    """The pairs of some keys, all stored but for those of the condition."""
    done = held.join(MINERS, how="cross").filter(~lost)
    return gap_shapes.marked(held.lazy(), MODELS, done.lazy())


def shapes_of(pairs: pl.LazyFrame) -> pl.LazyFrame:
    return gap_shapes.shapes(gap_shapes.cells(pairs, MODELS))


def shape(lost: pl.Expr, held: pl.DataFrame | None = None) -> dict[str, Any]:
    """The shape of the one date."""
    (row,) = shapes_of(marked(grid() if held is None else held, lost)).collect().to_dicts()
    return row


def test_a_complete_date_has_no_shape() -> None:
    found = shapes_of(marked(grid(), pl.lit(False))).collect()
    assert found.is_empty() and dict(found.schema) == SHAPES


def test_a_farm_without_rows_on_a_date_that_is_otherwise_complete() -> None:
    found = shape(F == "F3")
    assert found["farms_missing"] == ["F3"]
    assert (found["rows_in_farms"], found["rows_in_periods"], found["scattered"]) == (8 * 3, 0, 0)


def test_whole_periods_without_rows() -> None:
    found = shape(P.is_in([3, 7, 8]))
    assert found["periods_missing"] == [3, 7, 8] and found["farms_missing"] == []
    assert (found["rows_in_farms"], found["rows_in_periods"], found["scattered"]) == (0, 3 * 5 * 3, 0)


def test_farms_and_periods_together_are_told_apart() -> None:
    found = shape((F == "F1") | (P > 5))
    assert found["farms_missing"] == ["F1"] and found["periods_missing"] == [6, 7, 8]
    assert (found["rows_in_farms"], found["rows_in_periods"], found["scattered"]) == (5 * 3, 3 * 5 * 3, 0)


def test_a_model_without_rows_hides_no_farm_and_makes_none() -> None:
    assert shapes_of(marked(grid(), M == "S9")).collect().is_empty()
    assert shape((M == "S9") | (F == "F2"))["farms_missing"] == ["F2"]


def test_single_rows_are_scattered() -> None:
    found = shape((P == 2) & (F == "F1") | (P == 5) & (F == "F4") & (M == "S9"))
    assert (found["farms_missing"], found["periods_missing"], found["scattered"]) == ([], [], 4)


def test_farms_beside_scattered_gaps_are_still_found() -> None:
    found = shape((F == "F3") | (P == 1) & (F == "F1") & (M == "S9"))
    assert found["scattered"] >= 1 and found["scattered"] + found["rows_in_farms"] == 8 * 3 + 1
    beside = shape((F == "F3") & (P > 1) | (P == 1) & (F == "F1") & (M == "S9"), grid().filter((F != "F3") | (P > 1)))
    assert (beside["farms_missing"], beside["scattered"]) == (["F3"], 1)


def test_a_farm_that_is_alone_at_night_is_one_farm_and_not_many_periods() -> None:
    held = keys(*((DAY, p, "NIGHT") for p in range(1, 7)), *((DAY, p, f) for p in range(20, 30) for f in ("A", "B")))
    found = shape(F == "NIGHT", held)
    assert found["farms_missing"] == ["NIGHT"] and found["periods_missing"] == []


def test_farms_that_were_alone_at_several_times_are_farms() -> None:
    alone = [("A", range(1, 4)), ("B", range(10, 12)), ("C", range(47, 49))]
    held = keys(*((DAY, p, f) for f, times in [*alone, ("D", range(20, 40)), ("E", range(20, 40))] for p in times))
    found = shape(F.is_in(["A", "B", "C"]), held)
    assert found["farms_missing"] == ["A", "B", "C"] and found["periods_missing"] == []


def test_one_stretch_of_several_farms_that_have_no_other_is_periods() -> None:
    held = keys(
        *((DAY, p, f) for f, first in (("A", 1), ("B", 1), ("C", 31), ("D", 31)) for p in range(first, first + 18))
    )
    found = shape(P > 30, held)
    assert found["periods_missing"] == list(range(31, 49)) and found["farms_missing"] == []


def test_a_crash_in_the_middle_of_a_date_is_periods_and_not_the_farms_that_begin_later() -> None:
    held = keys(*((DAY, p, f"F{f}") for f in range(1, 9) for p in range(5 * f, 5 * f + 8) if p <= 48))
    found = shape(P > 30, held)
    assert found["farms_missing"] == [] and found["periods_missing"] == list(range(31, 48))


def test_a_single_key_is_no_pattern() -> None:
    held = keys((DAY, 1, "A"), (DAY, 2, "A"), (DAY, 1, "B"), (DAY, 2, "C"))
    found = shape(F == "B", held)
    assert (found["farms_missing"], found["periods_missing"], found["scattered"]) == ([], [], 3)


def test_farm_gaps_count_all_models_and_name_the_dates() -> None:
    pairs = marked(
        grid(days=2), (F == "F1") & (M == "S9") | (F == "F2") & (P == 1) & (pl.col("settlement_date") == DAY)
    )
    found = gap_shapes.farm_gaps(pairs).collect().sort("farm_id")
    assert dict(found.schema) == FARM_GAPS
    assert found.get_column("missing").to_list() == [16, 3, 0, 0, 0]
    assert found.get_column("expected").to_list() == [48] * 5
    assert sorted(found.row(0, named=True)["dates"]) == [DAY, DAY + timedelta(days=1)]
    assert found.row(1, named=True)["dates"] == [DAY]


pairs_lost = st.sets(
    st.tuples(st.integers(0, 1), st.integers(1, 4), st.integers(1, 3), st.sampled_from(MODELS)), max_size=60
)


@given(pairs_lost)
def test_every_missing_row_of_a_begun_model_is_explained_once(lost: set[tuple[int, int, int, str]]) -> None:
    held = grid(days=2, periods=4, farms=3)
    gone = pl.DataFrame(
        [(DAY + timedelta(days=d), p, f"F{f}", m) for d, p, f, m in lost],
        schema={**KEY_SCHEMA, "miner_model": pl.String},
        orient="row",
    )
    done = held.join(MINERS, how="cross").join(gone, on=CALC_KEY, how="anti")
    found = shapes_of(gap_shapes.marked(held.lazy(), MODELS, done.lazy())).collect()
    explained = {
        row["settlement_date"]: row["rows_in_farms"] + row["rows_in_periods"] + row["scattered"]
        for row in found.to_dicts()
    }
    sides = {(d, m): sum((d, m) == (x[0], x[3]) for x in lost) for d in (0, 1) for m in MODELS}
    for d in (0, 1):
        wanted = sum(n for (dd, _), n in sides.items() if dd == d and n < 12)
        assert explained.get(DAY + timedelta(days=d), 0) == wanted


@given(pairs_lost)
def test_dates_are_looked_at_one_by_one(lost: set[tuple[int, int, int, str]]) -> None:
    condition = pl.any_horizontal(
        pl.lit(False),
        *(
            (pl.col("settlement_date") == DAY + timedelta(days=d)) & P.eq(p) & F.eq(f"F{f}") & M.eq(m)
            for d, p, f, m in lost
        ),
    )
    held = grid(days=2, periods=4, farms=3)
    together = shapes_of(marked(held, condition)).collect()
    apart = [shapes_of(marked(part, condition)).collect() for part in held.partition_by("settlement_date")]
    assert together.to_dicts() == pl.concat(apart).to_dicts()


def findings(held: pl.DataFrame, lost: pl.Expr) -> dict[str, Any]:
    """The findings of the dates' shapes by their codes, with the counts that a status of them would have."""
    pairs = marked(held, lost)
    sides = pairs.group_by("settlement_date", "miner_model").agg(expected=pl.len(), matched=(~pl.col("absent")).sum())
    counts = sides.with_columns(duplicate=0, orphan=0).collect().cast(COUNTS)  # type: ignore[arg-type]
    found = Status(Window(), tuple(MODELS), pl.DataFrame(), counts)
    shapes, farms = shapes_of(pairs).collect(), gap_shapes.farm_gaps(pairs).collect()
    return {finding.code: finding for finding in shape_findings(found, shapes, farms)}


def test_single_farms_are_counted_per_date_and_farm() -> None:
    found = findings(grid(days=3), F.is_in(["F1", "F2"]) & (pl.col("settlement_date") > DAY))
    assert set(found) == {"missing_farms"}
    assert found["missing_farms"].count == 4
    assert facts(found["missing_farms"].example) == ["2024-04-22", "2", "5", "F1"]


def test_one_farm_of_many_is_few_farms_and_not_many_missing_ones() -> None:
    found = findings(grid(), F != "F1")
    assert set(found) == {"few_farms"}
    assert facts(found["few_farms"].example) == ["2024-04-20", "1", "5"]


def test_periods_are_named_as_ranges() -> None:
    found = findings(grid(), P.is_in([1, 6, 7, 8]))
    assert set(found) == {"missing_periods"}
    assert found["missing_periods"].count == 4
    assert facts(found["missing_periods"].example) == ["2024-04-20", "1", "6-8"]


def test_a_farm_that_holds_most_of_the_gaps_on_several_dates_is_named() -> None:
    found = findings(grid(days=4, farms=6), (F == "F2") & (P < 5) & (pl.col("settlement_date") > DAY))
    assert found["clustered_by_farm"].count == 3 * 4 * 3
    assert facts(found["clustered_by_farm"].example) == ["F2", "36", "36"]
    assert str(found["clustered_by_farm"].advice) == "recon range 2024-04-21 2024-04-23"
    assert set(found) == {"clustered_by_farm", "scattered_gaps"}


def test_gaps_of_one_date_or_of_one_farm_in_two_are_not_clustered_by_farm() -> None:
    assert "clustered_by_farm" not in findings(grid(), (F == "F2") & (P < 5))
    assert "clustered_by_farm" not in findings(grid(days=3, farms=2), P < 5)


def test_a_crash_within_a_model_leaves_no_scattered_gaps() -> None:
    held = grid(periods=20)
    assert findings(held, (M == "S9") & (P > 10)) == {}
