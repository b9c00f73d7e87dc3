"""Why a value is wrong, beside exact arithmetic: a planted cause is found, and every cause that is told is true."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recon.core.schema import CAUSES, STORED
from recon.core.settings import Fleet
from recon.reference import reference
from recon.values.judging import Judge
from recon.values.verdicts import WRONG
from tests.support import oracle
from tests.support.builders import MODELS, energy_frame

FEW = settings(max_examples=60, deadline=None)

DAY = date(2024, 6, 5)
REFERENCE = reference.load(None, None, None, Path("/nowhere"))
OTHER_EPOCHS = sorted({Decimal(d) for d in REFERENCE.epochs["difficulty"].to_list()} - {oracle.difficulty(DAY)})
NEAR_EPOCHS = [d for d in OTHER_EPOCHS if oracle.difficulty(DAY) / 3 < d < 2 * oracle.difficulty(DAY)]
SUBSIDIES = ("12.5", "6.25")
CLEAR = Decimal("0.0001")
"""From here on rounding hides no cause."""

Fate = Callable[[Fraction, str], tuple[Decimal | float, Decimal]]
"""What is stored for an energy on a miner model: BTC and difficulty."""


def btc(mwh: Fraction, model: str, difficulty: Decimal | None = None, subsidy: str = "3.125") -> Decimal:
    return oracle.satoshis(oracle.bitcoin(mwh, model, difficulty or oracle.difficulty(DAY), subsidy))


def other_energy(factor: Fraction) -> Fate:
    return lambda mwh, model: (btc(mwh * factor, model), oracle.difficulty(DAY))


def other_subsidy(subsidy: str) -> Fate:
    return lambda mwh, model: (btc(mwh, model, subsidy=subsidy), oracle.difficulty(DAY))


def other_epoch(difficulty: Decimal, *, stored: bool) -> Fate:
    own = difficulty if stored else oracle.difficulty(DAY)
    return lambda mwh, model: (btc(mwh, model, difficulty), own)


def by_model(factors: dict[str, Fraction]) -> Fate:
    return lambda mwh, model: (btc(mwh * factors[model], model), oracle.difficulty(DAY))


def always(value: float) -> Fate:
    return lambda *_: (value, oracle.difficulty(DAY))


FACTORS = st.integers(1, 1300).map(lambda n: Fraction(n + (n > 498), 499)).filter(lambda f: f > Fraction(1, 3))
PLANTS: st.SearchStrategy[tuple[str, Fate]] = st.one_of(
    st.sampled_from(SUBSIDIES).map(lambda s: ("wrong_subsidy", other_subsidy(s))),
    st.sampled_from(NEAR_EPOCHS).map(lambda d: ("wrong_difficulty", other_epoch(d, stored=False))),
    st.sampled_from(OTHER_EPOCHS).map(lambda d: ("wrong_difficulty", other_epoch(d, stored=True))),
    FACTORS.map(lambda f: ("wrong_energy", other_energy(f))),
    st.tuples(FACTORS, FACTORS, FACTORS)
    .filter(lambda f: len(set(f)) == 3)
    .map(lambda f: ("wrong_btc", by_model(dict(zip(MODELS, f, strict=True))))),
    st.sampled_from([("zero", 0.0), ("negative", -0.5), ("nan", float("nan"))]).map(lambda p: (p[0], always(p[1]))),
)
ENERGIES = st.dictionaries(
    st.tuples(st.integers(1, 2), st.sampled_from(["T_A-1", "T_B-1", "T_C-1"])),
    st.one_of(
        st.integers(240, 200_000).map(lambda n: Fraction(n, 240)),
        st.integers(1, 10**7).map(lambda n: Fraction(n, 10**7)),
    ),
    min_size=1,
)


def judged(energies: dict, stored: dict, fleet: Fleet = Fleet.FRACTIONAL) -> dict[tuple, dict]:
    """The judged rows by period, farm and model. energies: MWh by (period, farm). stored: BTC and difficulty by row."""
    keys = energy_frame((DAY, *key, float(mwh)) for key, mwh in energies.items())
    rows = [("", DAY, *row, float(value), float(difficulty)) for row, (value, difficulty) in stored.items()]
    found = Judge(REFERENCE, fleet).verdicts(keys, pl.DataFrame(rows, schema=STORED, orient="row"))
    return {(row["settlement_period"], row["farm_id"], row["miner_model"]): row for row in found.to_dicts()}


def spoiled(energies: dict, fate: Fate) -> dict:
    return {(*key, model): fate(mwh, model) for key, mwh in energies.items() for model in MODELS}


@FEW
@given(ENERGIES, PLANTS)
def test_a_planted_cause_is_found(energies: dict, plant: tuple[str, Fate]) -> None:
    cause, fate = plant
    for row, found in judged(energies, spoiled(energies, fate)).items():
        least = min(found["stored_btc"], found["expected_btc"])
        if found["cause"] == cause or (cause == "wrong_subsidy" and least < 1e-6):
            continue
        if cause in ("zero", "negative", "nan", "wrong_subsidy"):  # what is worth no satoshi can be 0
            assert found["verdict"] == "ok", (row, found)
        else:  # too small to tell, or right for another subsidy or epoch by chance
            assert least < CLEAR or (cause in ("wrong_energy", "wrong_btc") and is_right_for_one(found)), (row, found)


def is_right_for_one(found: dict) -> bool:
    """Whether a subsidy or an epoch would have given that BTC, too."""
    stored, wanted = Fraction(found["stored_btc"]), Fraction(found["expected_btc"])
    return right_subsidies(stored, wanted, 2) or right_epochs(stored, wanted, 2)


def agree(stored: Fraction, wanted: Fraction, factor: Fraction, within: Fraction | float) -> bool:
    off = Fraction(1, 10**8) * max(factor, 1) + Fraction(1, 10**6) * wanted * factor
    return abs(stored - wanted * factor) <= off * Fraction(within)


def right_subsidies(stored: Fraction, wanted: Fraction, within: float) -> bool:
    return any(agree(stored, wanted, Fraction(s) / Fraction("3.125"), within) for s in SUBSIDIES)


def right_epochs(stored: Fraction, wanted: Fraction, within: float) -> bool:
    due = Fraction(oracle.difficulty(DAY))
    return any(agree(stored, wanted, due / Fraction(d), within) for d in OTHER_EPOCHS)


RATIOS = st.one_of(
    st.sampled_from([Fraction(1), Fraction(1), Fraction(2), Fraction(4), Fraction(19, 20), Fraction(-1), Fraction(0)]),
    st.sampled_from(NEAR_EPOCHS).map(lambda d: Fraction(oracle.difficulty(DAY)) / Fraction(d)),
    FACTORS,
)


@FEW
@given(ENERGIES, st.data(), st.sampled_from(Fleet))
def test_every_wrong_row_has_one_cause_and_it_is_true(energies: dict, data: st.DataObject, fleet: Fleet) -> None:
    few = data.draw(st.lists(RATIOS, min_size=1, max_size=3))
    own = st.sampled_from([oracle.difficulty(DAY)] * 4 + [Decimal(1), NEAR_EPOCHS[0]])
    stored = {}
    for row, (right, _) in spoiled(energies, other_energy(Fraction(1))).items():
        value = oracle.satoshis(Fraction(right) * data.draw(st.sampled_from(few)))
        stored[row] = (value, data.draw(own))
    found = judged(energies, stored, fleet)
    for row, it in found.items():
        assert (it["cause"] in CAUSES) == (it["verdict"] in WRONG), it
        if it["cause"] is not None:
            check(it, [other for key, other in found.items() if key[:2] == row[:2] and key != row], fleet)


def check(it: dict, siblings: list[dict], fleet: Fleet) -> None:
    """That the cause which is told of a row is true, as exact arithmetic has it."""
    stored, wanted = Fraction(it["stored_btc"]), Fraction(it["expected_btc"])
    same = abs(it["stored_difficulty"] / it["expected_difficulty"] - 1) < 1e-6
    clear = min(stored, wanted) >= Fraction(CLEAR)
    match it["cause"]:
        case "zero" | "negative" | "nan" as cause:
            assert cause == it["verdict"]
        case "wrong_subsidy":
            assert same and (right_subsidies(stored, wanted, 2) or not clear)
        case "wrong_difficulty":
            assert not same or right_epochs(stored, wanted, 4) or not clear
        case "wrong_energy":
            assert same
            shared = [other for other in siblings if other["cause"] == "wrong_energy"]
            slack = 1e-3 if fleet is Fleet.FRACTIONAL else 1
            assert not clear or any(abs(other["ratio"] / it["ratio"] - 1) < slack for other in shared)
        case "wrong_btc":
            assert same
            assert not clear or not (right_subsidies(stored, wanted, 0.4) or right_epochs(stored, wanted, 0.4))


@pytest.mark.parametrize("fleet", Fleet)
def test_small_amounts_have_the_cause_of_larger_ones_of_their_settlement_period(fleet: Fleet) -> None:
    """0.01 MWh are 0.00001 BTC on the best machine: the ratio is blurred, and fits several epochs."""
    keys = {(1, "T_A-1"): 40.0, (1, "T_B-1"): 0.01, (2, "T_B-1"): 0.01}
    right = judged(keys, {(*key, model): (0.5, 1) for key in keys for model in MODELS}, fleet)
    for factor, cause in ((0.97, "wrong_energy"), (float(oracle.difficulty(DAY) / NEAR_EPOCHS[0]), "wrong_difficulty")):
        stored = {row: (round(factor * it["expected_btc"], 8), oracle.difficulty(DAY)) for row, it in right.items()}
        found = judged(keys, stored, fleet)
        by_key = {row[:2]: {it["cause"] for other, it in found.items() if other[:2] == row[:2]} for row in found}
        assert by_key == {(1, "T_A-1"): {cause}, (1, "T_B-1"): {cause}, (2, "T_B-1"): {"wrong_btc"}}
