"""Miner models and block subsidies that cannot be right: decimal commas, units off by a thousand, no halvings."""

from __future__ import annotations

from pathlib import Path

import pytest

from recon.core.errors import DataFileError, LedgerError
from recon.core.settings import Settings
from recon.reconcile.request import FixRequest, Job, from_dict
from recon.reference.data_files import packaged
from recon.reference.miner_models import read_miners, read_variants
from recon.reference.numbers import Misread, positive, unmistakable
from recon.reference.reference import load
from recon.reference.subsidies import read_subsidies
from tests.support.builders import write

MINERS = "miner_model,hashrate_ths,power_w"
SUBSIDIES = "starts_on,subsidy_btc"


@pytest.mark.parametrize("text", ["3,125", "1,323", '"13,5"', "0,5", "1,5000", "12,34,567", "1,23", ",5", "5,"])
def test_a_comma_that_may_stand_before_decimals_is_refused(text: str) -> None:
    with pytest.raises(Misread, match="comma"):
        unmistakable(text)


@pytest.mark.parametrize("text", ["13,5", "0,125", "86388558925171,5", "1,2345", "1,234,56", "1,,234", "1,234e3"])
def test_thousands_stand_in_groups_of_three_or_are_refused(text: str) -> None:
    with pytest.raises(Misread):
        positive(text)


@pytest.mark.parametrize("text", ["1_000", "1 000", "0x10", "٣", "1e99999", "--1", "1.2.3", "NaN", "Infinity", "-0"])
def test_what_other_programs_take_for_a_number_is_none(text: str) -> None:
    with pytest.raises(Misread):
        positive(text)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('S9,"13,5",1323', "hashrate_ths is '13,5'; a decimal comma is not read: write 13.5"),
        ('S9,13.5,"1,323"', "power_w is '1,323'; it may have a decimal comma: write 1.323 or 1323"),
        ("S9,13,5,1323", "4 values for 3 columns"),
        ("S9,13500,1323", "S9 takes 0.098 J/TH (1323 W for 13500 TH/s); a miner takes 0.1 to 10,000 J/TH"),
        ("S9,0.0135,1323", "S9 takes 9.8e+04 J/TH"),
        ("S9,13.5,1.323", "S9 takes 0.098 J/TH"),
        ("S9,13.5,1323000", "S9 takes 9.8e+04 J/TH"),
        ("S9,inf,1323", "hashrate_ths is 'inf'"),
        ("S9,1e999,1323", "hashrate_ths is '1e999'"),
        (",13.5,1323", "the miner_model is blank"),
    ],
)
def test_a_miner_model_that_cannot_be_right_is_refused_with_the_bound(tmp_path: Path, line: str, words: str) -> None:
    file = write(tmp_path / "m.csv", f"{MINERS}\n{line}")
    for read in (read_miners, read_variants):
        with pytest.raises(DataFileError) as refused:
            read(file)
        assert f"{file}, line 2: " in str(refused.value) and words in str(refused.value)


def test_machines_at_the_bounds_are_taken(tmp_path: Path) -> None:
    file = write(tmp_path / "m.csv", f"{MINERS}\nBEST,1000,100\nFIRST,0.01,100")
    assert [row[0] for row in read_miners(file).rows()] == ["BEST", "FIRST"]


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ('2024-04-20,"3,125"', "line 2: subsidy_btc is '3,125'; it may have a decimal comma: write 3.125 or 3125"),
        ('2016-07-09,"12,5"', "line 2: subsidy_btc is '12,5'; a decimal comma is not read: write 12.5"),
        ("2024-04-20,3,125", "line 2: 3 values for 2 columns"),
        ("2024-04-20;3,125", "starts_on is '2024-04-20;3'"),
        ("2024-04-20,3125", "line 2: subsidy_btc is 3125, which is no halving of 50; a block pays 50 BTC, halved"),
        ("2024-04-20,100", "which is no halving of 50"),
        ("2024-04-20,3.13", "which is no halving of 50"),
        ("2020-05-11,6.25\n2024-04-20,12.5", "line 3: subsidy_btc is 12.5 after 6.25, which is not the half of it"),
        ("2016-07-09,12.5\n2024-04-20,3.125", "line 3: subsidy_btc is 3.125 after 12.5"),
        ("2020-05-11,6.25\n2024-04-20,6.25", "line 3: subsidy_btc is 6.25 after 6.25"),
        ("2024-04-20,NaN", "subsidy_btc is 'NaN'"),
    ],
)
def test_a_subsidy_that_no_halving_leads_to_is_refused_with_the_bound(tmp_path: Path, lines: str, words: str) -> None:
    with pytest.raises(DataFileError) as refused:
        read_subsidies(write(tmp_path / "s.csv", f"{SUBSIDIES}\n{lines}"))
    assert words in str(refused.value)


def test_every_halving_so_far_and_to_come_is_taken(tmp_path: Path) -> None:
    starts = ["2009-01-03", "2012-11-28", "2016-07-09", "2020-05-11", "2024-04-20", "2028-04-20"]
    figures = ["50", "25.0", "12.5", "6.25", "3.125", "1.5625"]
    lines = "\n".join(f"{start},{figure}" for start, figure in zip(starts, figures, strict=True))
    found = read_subsidies(write(tmp_path / "s.csv", f"{SUBSIDIES}\n{lines}"))
    assert found.get_column("subsidy_btc").to_list() == [50, 25, 12.5, 6.25, 3.125, 1.5625]


def test_the_packaged_files_are_within_the_bounds() -> None:
    assert read_miners(packaged("miner_models.csv")).height == 3
    assert read_variants(packaged("miner_variants.csv")).height == 9
    assert read_subsidies(packaged("block_subsidy.csv")).height == 3


@pytest.mark.parametrize(
    "damage",
    [
        {"subsidies": [{"starts_on": "2024-04-20", "subsidy_btc": 3125.0}]},
        {"miners": [{"miner_model": "S9", "hashrate_ths": 13500.0, "power_w": 1323.0}]},
        {"miners": [{"miner_model": "S9", "hashrate_ths": 0.0, "power_w": 1323.0}]},
    ],
    ids=["subsidy", "miner", "no hashrate"],
)
def test_a_stored_plan_with_such_figures_is_damaged_and_not_gone_on_with(tmp_path: Path, damage: dict) -> None:
    settings, reference = Settings(database_url="postgresql://ana@db/power"), load(None, None, None, tmp_path)
    job = Job("7f3a", "fix", settings, reference)
    stored = FixRequest().to_dict(job) | damage
    with pytest.raises(LedgerError, match="parameters are damaged"):
        from_dict(stored, job)
