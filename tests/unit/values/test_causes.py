"""What a constant ratio points to: every cause comes out of the reference data, and chance has none."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from recon.core.schema import KEY_SCHEMA
from recon.reference import reference
from recon.values import causes as values_causes
from recon.values.catalogue import Catalogue
from recon.values.causes import CLUSTER, causes, evidence
from tests.support import oracle
from tests.support.builders import DAY, days, miner_frame

PACKAGED = Catalogue.of(reference.load(None, None, None, Path("/nowhere")))
BEFORE_HALVING = date(2024, 4, 19)
DUE = float(oracle.difficulty(DAY))
JUDGED = {
    "settlement_date": pl.Date,
    "miner_model": pl.String,
    "settlement_period": pl.Int32,
    "farm_id": pl.String,
    "stored_difficulty": pl.Float64,
    "expected_btc": pl.Float64,
    "expected_difficulty": pl.Float64,
    "verdict": pl.String,
    "ratio": pl.Float64,
}
"""What clusters reads of audit.judge."""


def judged(
    ratios: Sequence[float],
    *,
    day: date = DAY,
    model: str = "S9",
    btc: float = 0.01,
    verdict: str = "stale",
    difficulty: float | None = None,
    first: int = 1,
) -> pl.DataFrame:
    """One row per ratio, each of another period, with BTC rounded to a satoshi."""
    due = float(oracle.difficulty(day))
    held = due if difficulty is None else difficulty
    rows = [
        (day, model, n, "T_A-1", held, btc, due, verdict, round(btc * ratio, 8) / btc)
        for n, ratio in enumerate(ratios, first)
    ]
    return pl.DataFrame(rows, schema=JUDGED, orient="row")


def keys(*rows: tuple[int, list[float]], day: date = DAY) -> pl.DataFrame:
    """Period and the energies of its source rows; all other periods have one row of 1 MWh."""
    energies = {period: [1.0] for period in range(1, 200)} | dict(rows)
    schema = {**KEY_SCHEMA, "energy_mwh": pl.Float64, "source_rows": pl.Int64, "row_mwh": pl.List(pl.Float64)}
    listed = [(day, period, "T_A-1", sum(mwh), len(mwh), sorted(set(mwh))) for period, mwh in energies.items()]
    return pl.DataFrame(listed, schema=schema, orient="row")


def clusters(rows: pl.DataFrame, sources: pl.DataFrame, catalogue: Catalogue) -> pl.DataFrame:
    return values_causes.clusters([evidence(rows, sources)], catalogue)


def found(
    *parts: pl.DataFrame, of: pl.DataFrame | None = None, catalogue: Catalogue = PACKAGED
) -> list[tuple[str, str, int]]:
    """Code, cause and rows of every cluster; the schema is what it says."""
    rows = pl.concat(parts)
    sources = of if of is not None else pl.concat(keys(day=day) for day in rows.get_column("settlement_date").unique())
    frame = clusters(rows, sources, catalogue)
    assert dict(frame.schema) == CLUSTER
    return frame.select("code", "cause", "rows").rows()


class TestSubsidies:
    @pytest.mark.parametrize("day", [date(2018, 5, 1), date(2022, 5, 1), BEFORE_HALVING, DAY])
    def test_every_other_subsidy_is_named(self, day: date) -> None:
        due = float(oracle.subsidy(day))
        others = [float(btc) for _, btc in oracle.HALVINGS if float(btc) != due]
        assert len(others) == 2
        for other in others:
            cause = f"block subsidy {other:g} BTC instead of {due:g} BTC"
            assert found(judged([other / due] * 5, day=day)) == [("subsidy", cause, 5)]

    def test_twice_and_half_around_the_halving(self) -> None:
        assert found(judged([2.0] * 4)) == [("subsidy", "block subsidy 6.25 BTC instead of 3.125 BTC", 4)]
        before = found(judged([0.5] * 4, day=BEFORE_HALVING))
        assert before == [("subsidy", "block subsidy 3.125 BTC instead of 6.25 BTC", 4)]

    def test_the_same_ratio_is_something_else_where_no_subsidy_explains_it(self) -> None:
        assert found(judged([2.0] * 4, day=date(2018, 5, 1)))[0][0] == "energy_multiplied"
        assert found(judged([0.5] * 4)) == [("energy_divided", "only 1/2 of the energy", 4)]

    def test_subsidies_of_another_file_are_the_ones_named(self) -> None:
        invented = pl.DataFrame({"starts_on": [date(2000, 1, 1), date(2024, 1, 1)], "subsidy_btc": [7.0, 5.0]})
        catalogue = replace(PACKAGED, subsidies=invented)
        assert found(judged([1.4] * 4), catalogue=catalogue) == [("subsidy", "block subsidy 7 BTC instead of 5 BTC", 4)]
        assert found(judged([1.4] * 4))[0][0] == "constant_factor"

    def test_a_date_before_the_first_subsidy_has_no_other(self) -> None:
        late = PACKAGED.subsidies.filter(pl.col("starts_on") > date(2024, 4, 20))
        assert found(judged([2.0] * 4), catalogue=replace(PACKAGED, subsidies=late))[0][0] == "energy_multiplied"


class TestEpochs:
    @pytest.mark.parametrize("row", PACKAGED.epochs.to_dicts()[::9], ids=lambda row: f"{row['starts_at_utc']:%F}")
    def test_every_other_epoch_is_named_by_the_ratio_alone(self, row: dict) -> None:
        difficulty = float(row["difficulty"])
        named = f"difficulty {difficulty:.0f} of the epoch from {row['starts_at_utc']:%Y-%m-%d}"
        assert found(judged([DUE / difficulty] * 5, btc=1.0)) == [("difficulty", named, 5)]

    def test_a_stored_difficulty_is_named_whatever_the_ratio(self) -> None:
        rows = judged([1.0, 0.8, 0.8], verdict="wrong_difficulty", difficulty=108105433845147.0)
        cause = "difficulty 108105433845147 of the epoch from 2025-01-27"
        assert found(rows) == [("difficulty", cause, 3)]

    @pytest.mark.parametrize("value", [0.0, -5.0, 1.0, 1e14, 1e300])
    def test_a_stored_difficulty_of_no_epoch_is_said_to_be_none(self, value: float) -> None:
        ((code, cause, rows),) = found(judged([1.0] * 2, verdict="wrong_difficulty", difficulty=value))
        assert (code, cause, rows) == ("unknown_difficulty", f"difficulty {value:.0f}, which is no epoch's", 2)

    def test_several_foreign_difficulties_of_a_date_are_told_apart(self) -> None:
        epochs = [float(oracle.difficulty(day)) for day in (date(2022, 1, 1), date(2023, 1, 1))]
        parts = [
            judged([DUE / value] * 2, verdict="wrong_difficulty", difficulty=value, first=n)
            for n, value in enumerate(epochs)
        ]
        assert {cause.split(" of ")[0] for _, cause, _ in found(*parts)} == {f"difficulty {v:.0f}" for v in epochs}

    def test_epochs_of_another_file_are_the_ones_named(self) -> None:
        only = PACKAGED.epochs.head(1)
        ratio = DUE / float(PACKAGED.epochs.item(-1, "difficulty"))
        assert found(judged([ratio] * 5, btc=1.0), catalogue=replace(PACKAGED, epochs=only))[0][0] == "constant_factor"


class TestFigures:
    RATIO = 104 / 3068 / (100 / 3050)

    def test_104_th_at_3068_w_is_1_0339(self) -> None:
        assert round(self.RATIO, 4) == 1.0339
        rows = judged([self.RATIO] * 5, model="S19J_PRO")
        assert found(rows) == [("miner_figures", "other miner figures: 104 TH/s at 3068 W", 5)]

    def test_it_means_nothing_for_another_model_or_without_the_variant(self) -> None:
        assert found(judged([self.RATIO] * 5, model="M20S"))[0][0] == "constant_factor"
        none = replace(PACKAGED, variants=PACKAGED.variants.clear())
        assert found(judged([self.RATIO] * 5, model="S19J_PRO"), catalogue=none)[0][0] == "constant_factor"

    @pytest.mark.parametrize("model", oracle.MINERS)
    def test_every_variant_is_named_by_the_first_of_its_efficiency(self, model: str) -> None:
        hashrate, power = oracle.MINERS[model]
        first: dict[float, str] = {}
        for _, ths, watts in PACKAGED.variants.filter(pl.col("miner_model") == model).iter_rows():
            ratio = round(ths / watts / (float(hashrate) / power), 6)
            first.setdefault(ratio, f"other miner figures: {ths:g} TH/s at {watts:g} W")
        first.pop(1.0, None)  # another size of the same efficiency prices alike
        assert first
        for ratio, named in first.items():
            assert found(judged([ratio] * 5, model=model, btc=1.0)) == [("miner_figures", named, 5)]

    @pytest.mark.parametrize(("model", "other"), [("S9", "M20S"), ("M20S", "S19J_PRO"), ("S19J_PRO", "S9")])
    def test_the_figures_of_another_configured_model_are_named_as_its_own(self, model: str, other: str) -> None:
        (mine, my_power), (theirs, their_power) = oracle.MINERS[model], oracle.MINERS[other]
        ratio = float(theirs) / their_power / (float(mine) / my_power)
        named = f"the figures of {other}: {float(theirs):g} TH/s at {their_power:g} W"
        assert found(judged([ratio] * 5, model=model, btc=1.0)) == [("miner_figures", named, 5)]

    def test_models_of_another_file_are_the_ones_named(self) -> None:
        twice = pl.DataFrame({"miner_model": "X1", "hashrate_ths": 27.0, "power_w": 1323.0})
        invented = miner_frame(["S9"]).vstack(twice)
        catalogue = replace(PACKAGED, miners=invented, subsidies=PACKAGED.subsidies.tail(1))
        named = ("miner_figures", "the figures of X1: 27 TH/s at 1323 W", 4)
        assert found(judged([2.0] * 4), catalogue=catalogue) == [named]


class TestMultiples:
    @pytest.mark.parametrize("k", [3, 5, 7, 9, 17, 20])
    def test_a_whole_multiple_of_the_energy_is_named(self, k: int) -> None:
        assert found(judged([k] * 4)) == [("energy_multiplied", f"energy counted {k} times", 4)]
        assert found(judged([1 / k] * 4)) == [("energy_divided", f"only 1/{k} of the energy", 4)]

    @pytest.mark.parametrize("ratio", [3.1, 2.999, 27, 1 / 27])
    def test_no_other_number_is_one(self, ratio: float) -> None:
        assert found(judged([ratio] * 4))[0][0] == "constant_factor"


class TestUnknownFactors:
    def test_a_constant_factor_is_reported_as_unknown(self) -> None:
        ((code, cause, rows),) = found(judged([0.122] * 6))
        assert (code, rows) == ("constant_factor", 6)
        assert cause.startswith("constant factor 0.122, cause unknown")

    def test_each_model_has_its_own(self) -> None:
        ratios = {"S19J_PRO": 0.122, "S9": 0.206, "M20S": 0.151}
        parts = [judged([ratio] * 4, model=model) for model, ratio in ratios.items()]
        assert {cause[:21] for _, cause, _ in found(*parts)} == {f"constant factor {r}" for r in ratios.values()}

    def test_two_rows_are_too_few_to_be_constant(self) -> None:
        assert found(judged([0.122] * 2)) == [("varying", "ratios that differ from key to key", 2)]
        assert found(judged([0.122] * 3))[0][0] == "constant_factor"

    def test_one_row_is_enough_for_a_cause_that_is_known(self) -> None:
        assert found(judged([2.0]))[0] == ("subsidy", "block subsidy 6.25 BTC instead of 3.125 BTC", 1)


class TestScattered:
    NOTHING = ("varying", "ratios that differ from key to key")

    @pytest.mark.parametrize("seed", range(5))
    def test_scattered_ratios_are_no_cluster(self, seed: int) -> None:
        chance = random.Random(seed)
        ratios = [math.exp(chance.uniform(-3, 3)) for _ in range(40)]
        apart = [ratio for ratio in ratios if PACKAGED.explain(DAY, "S9", DUE, ratio) is None]
        assert found(judged(apart)) == [(*self.NOTHING, len(apart))]

    def test_a_smear_without_gaps_is_no_cluster(self) -> None:
        ratios = [1.3 * 1.0001**n for n in range(60)]
        assert found(judged(ratios, btc=1.0)) == [(*self.NOTHING, 60)]

    def test_a_cluster_among_scattered_ratios_has_its_own_rows_only(self) -> None:
        rows = judged([2.0] * 5 + [1.31, 1.37, 0.77])
        assert found(rows) == [("subsidy", "block subsidy 6.25 BTC instead of 3.125 BTC", 5), (*self.NOTHING, 3)]

    def test_two_clusters_of_a_date_are_both_named(self) -> None:
        assert {(code, rows) for code, _, rows in found(judged([2.0] * 5 + [9.0] * 4))} == {
            ("subsidy", 5),
            ("energy_multiplied", 4),
        }

    def test_rows_that_are_not_stale_are_in_no_cluster(self) -> None:
        others = [judged([2.0] * 4, verdict=verdict) for verdict in ("ok", "duplicate", "orphan", "whole")]
        assert found(*others, judged([0.0, -1.0])) == []


class TestSmallRows:
    """Below 0.0001 BTC the satoshi moves the ratio."""

    def test_they_join_the_cluster_that_their_rounding_allows(self) -> None:
        small = judged([1.0339] * 6, model="S19J_PRO", btc=0.0000037, first=10)
        assert small.get_column("ratio").n_unique() == 1 and abs(small.item(0, "ratio") - 1.0339) > 1e-4
        ((code, _, rows),) = found(judged([TestFigures.RATIO] * 4, model="S19J_PRO"), small)
        assert (code, rows) == ("miner_figures", 10)

    def test_they_join_no_other(self) -> None:
        small = judged([5.0] * 3, btc=0.000003, first=10)
        assert [(code, rows) for code, _, rows in found(judged([2.0] * 4), small)] == [("subsidy", 4), ("varying", 3)]

    def test_alone_they_are_no_cluster(self) -> None:
        assert found(judged([2.0] * 5, btc=0.00001)) == [(*TestScattered.NOTHING, 5)]


class TestOneSourceRow:
    CODE = ("one_source_row", "one source row of several instead of their sum")

    def test_the_energy_of_one_row_instead_of_their_sum(self) -> None:
        energies = [(n, [1.0 + n, 2.0, 3.5 * n]) for n in range(1, 7)]
        rows = judged([mwh[n % 3] / sum(mwh) for n, mwh in energies])
        assert found(rows, of=keys(*energies)) == [(*self.CODE, 6)]

    def test_a_few_others_do_not_hide_it(self) -> None:
        energies = [(n, [1.0 + n, 2.0]) for n in range(1, 11)]
        ratios = [2.0 / sum(mwh) for _, mwh in energies[:8]] + [0.9, 0.8]
        assert found(judged(ratios), of=keys(*energies)) == [(*self.CODE, 10)]

    def test_a_constant_ratio_is_explained_as_such(self) -> None:
        energies = [(n, [float(n), float(n)]) for n in range(1, 7)]
        assert found(judged([0.5] * 6), of=keys(*energies)) == [("energy_divided", "only 1/2 of the energy", 6)]


class TestCauses:
    def test_a_cause_is_put_together_over_its_dates_and_models(self) -> None:
        dates = days(DAY, 4)
        parts = [judged([2.0] * 3, day=day, model=model) for day in dates for model in ("S9", "M20S")]
        frame = clusters(pl.concat(parts), pl.concat(keys(day=day) for day in dates), PACKAGED)
        (cause,) = causes(frame)
        assert cause.to_dict() == {
            "code": "subsidy",
            "cause": "block subsidy 6.25 BTC instead of 3.125 BTC",
            "models": ["M20S", "S9"],
            "first": "2024-04-20",
            "last": "2024-04-23",
            "dates": 4,
            "rows": 24,
            "ratio": 2.0,
        }

    def test_most_rows_come_first(self) -> None:
        rows = pl.concat([judged([9.0] * 3), judged([2.0] * 5, day=DAY + timedelta(1)), judged([1.37], first=90)])
        sources = pl.concat([keys(), keys(day=DAY + timedelta(1))])
        assert [(c.code, c.rows) for c in causes(clusters(rows, sources, PACKAGED))] == [
            ("subsidy", 5),
            ("energy_multiplied", 3),
            ("varying", 1),
        ]

    def test_different_unknown_factors_stay_apart_and_equal_ones_do_not(self) -> None:
        dates = days(DAY, 3)
        parts = [judged([r] * 4, day=day) for day, r in zip(dates, (0.122, 0.206, 0.122), strict=True)]
        frame = clusters(pl.concat(parts), pl.concat(keys(day=day) for day in dates), PACKAGED)
        assert [(c.first, c.last, c.dates, c.rows) for c in causes(frame)] == [
            (dates[0], dates[2], 2, 8),
            (dates[1], dates[1], 1, 4),
        ]

    def test_scattered_rows_of_a_window_are_one_entry(self) -> None:
        dates = days(DAY, 3)
        parts = [judged([r, 1.9 * r], day=day) for day, r in zip(dates, (0.311, 0.417, 0.713), strict=True)]
        (cause,) = causes(clusters(pl.concat(parts), pl.concat(keys(day=day) for day in dates), PACKAGED))
        assert (cause.code, cause.rows, cause.dates) == ("varying", 6, 3)

    def test_a_ratio_that_json_cannot_write_is_null(self) -> None:
        frame = pl.DataFrame([(DAY, "S9", "unknown_difficulty", "x", math.nan, 2)], schema=CLUSTER, orient="row")
        assert causes(frame)[0].to_dict()["ratio"] is None

    def test_nothing_wrong_has_no_cause(self) -> None:
        assert causes(clusters(judged([]), keys(), PACKAGED)) == []


def test_the_order_of_rows_does_not_matter() -> None:
    rows = judged([2.0] * 5 + [9.0] * 4 + [1.31, 1.37])
    shuffled = rows.sample(fraction=1, shuffle=True, seed=3)
    assert_frame_equal(clusters(rows, keys(), PACKAGED), clusters(shuffled, keys(), PACKAGED))
