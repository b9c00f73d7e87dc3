"""The price of energy, beside figures worked out by hand and published ones."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import polars as pl
import pytest

from recon.core.price import calculations, satoshi_rounded
from recon.core.schema import BTC
from recon.core.settings import Fleet
from recon.reference.data_files import packaged
from recon.reference.miner_models import read_miners
from tests.support import oracle
from tests.support.builders import DAY, MODELS, energy_frame, miner_frame, terms_frame

PUBLISHED_DAY = date(2025, 3, 28)
PUBLISHED = {"S19J_PRO": "75.39206818", "S9": "23.46386401", "M20S": "46.53665311"}
WORKED_KEY = (date(2025, 4, 3), 36, "T_NNGAO-2", 36.42916666666667)
WORKED = {"S19J_PRO": "0.02750185", "S9": "0.00855925", "M20S": "0.01697585"}
"""36.42916666666667 MWh = 1.31145e11 J; at 3050 W / 100 TH/s (3.05e-11 J a hash) 4.2998361e21 hashes; at 2^32 x
113757508810854 hashes a block 0.0088005912 blocks; at 3.125 BTC a block 0.0275018475 BTC."""


def priced(
    energy: pl.DataFrame, terms: pl.DataFrame, fleet: Fleet = Fleet.FRACTIONAL, models: tuple[str, ...] = MODELS
) -> pl.DataFrame:
    return calculations(energy.lazy(), miner_frame(models).lazy(), terms.lazy(), fleet).collect()


def totals(rows: pl.DataFrame) -> dict[str, Decimal]:
    return dict(rows.group_by("miner_model").agg(pl.col("bitcoin_mined").sum()).iter_rows())


@pytest.mark.parametrize("fleet", list(Fleet))
def test_the_published_day_is_reproduced(fleet: Fleet) -> None:
    keys = [(PUBLISHED_DAY, n % 48 + 1, f"T_FARM-{n // 48}", 99864.95 / 2340) for n in range(2340)]
    found = totals(priced(energy_frame(keys), terms_frame(PUBLISHED_DAY, "113757508810853"), fleet))
    assert found.keys() == PUBLISHED.keys()
    for model, btc in PUBLISHED.items():
        assert abs(found[model] / Decimal(btc) - 1) < Decimal("5e-6")


def test_a_key_worked_out_by_hand_is_reproduced_to_the_satoshi() -> None:
    rows = priced(energy_frame([WORKED_KEY]), terms_frame(WORKED_KEY[0], "113757508810854"))
    assert {model: str(btc) for model, btc in totals(rows).items()} == WORKED
    exact = {m: oracle.bitcoin(Decimal("36.42916666666667"), m, 113757508810854, "3.125") for m in MODELS}
    assert {model: str(oracle.satoshis(btc)) for model, btc in exact.items()} == WORKED


@pytest.mark.parametrize(("model", "ratio"), [("M20S", 0.617261905), ("S9", 0.311224490)])
def test_models_keep_their_ratio_at_any_difficulty(model: str, ratio: float) -> None:
    for difficulty in ("1", "113757508810853"):
        found = totals(priced(energy_frame([(DAY, 1, "T_A-1", 2.5e6)]), terms_frame(difficulty=difficulty)))
        assert float(found[model] / found["S19J_PRO"]) == pytest.approx(ratio, rel=1e-8)


def test_the_packaged_miner_models_are_those_of_the_oracle() -> None:
    found = {m: (Decimal(str(ths)), w) for m, ths, w in read_miners(packaged("miner_models.csv")).iter_rows()}
    assert found == {model: (Decimal(ths), watts) for model, (ths, watts) in oracle.MINERS.items()}


def test_no_energy_is_worth_nothing_but_has_its_rows() -> None:
    for fleet in Fleet:
        rows = priced(energy_frame([(DAY, 1, "T_A-1", 0.0)]), terms_frame(), fleet)
        assert totals(rows) == dict.fromkeys(MODELS, Decimal("0E-8"))


def test_a_date_without_difficulty_keeps_its_rows_with_no_price() -> None:
    rows = priced(energy_frame([(DAY, 1, "T_A-1", 5.0)]), terms_frame(difficulty=None))
    assert rows.get_column("bitcoin_mined").to_list() == [None] * 3


class TestSatoshiRounded:
    @pytest.mark.parametrize(
        ("btc", "stored"),
        [
            (0.0, "0E-8"),
            (1e-8, "1E-8"),
            (4.9e-9, "0E-8"),
            (0.5**9, "0.00195312"),  # 195312.5 satoshi, exactly: to the even one
            (3 * 0.5**9, "0.00585938"),
            (75.39206818, "75.39206818"),
            (12_345_678.87654321, "12345678.87654321"),
        ],
    )
    def test_is_the_decimal_that_is_stored(self, btc: float, stored: str) -> None:
        found = pl.select(satoshi_rounded(pl.lit(btc)))
        assert found.dtypes == [BTC]
        assert found.item() == Decimal(stored)

    def test_null_stays_null(self) -> None:
        assert pl.select(satoshi_rounded(pl.lit(None, pl.Float64))).item() is None


class TestWholeFleet:
    S19 = ("S19J_PRO",)

    def test_machines_are_floored_once_over_all_farms_of_a_period(self) -> None:
        """0.9 + 0.9 machines of 3050 W for half an hour make one machine, not none."""
        half = 0.9 * 0.001525
        energy = energy_frame([(DAY, 1, "T_A-1", half), (DAY, 1, "T_B-1", half), (DAY, 2, "T_A-1", half)])
        rows = priced(energy, terms_frame(difficulty="1"), Fleet.WHOLE, self.S19).sort("settlement_period", "farm_id")
        one = oracle.satoshis(oracle.bitcoin(Decimal("0.001525") / 2, "S19J_PRO", 1, "3.125"))
        assert rows.get_column("bitcoin_mined").to_list() == [one, one, 0]

    def test_energy_of_exactly_a_thousand_machines_runs_a_thousand(self) -> None:
        energy = energy_frame([(DAY, 1, "T_A-1", 1.525)])
        whole, fractional = (totals(priced(energy, terms_frame(), fleet, self.S19)) for fleet in Fleet)
        assert whole == fractional
