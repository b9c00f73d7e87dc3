"""The sample: the same for the same seed, shaped like real data, and every fault in it counted."""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import date
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal, localcontext
from fractions import Fraction
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from recon.core.errors import DataFileError, UsageError
from recon.core.schema import CALC_KEY, KEY
from recon.reference.reference import Reference, load
from recon.sample import files, generate
from recon.sample import load as sample_load
from recon.sample.curtailment import curtailment, farms
from recon.sample.recipe import Recipe, consecutive

DATA = Path(__file__).parents[3] / "data"
HALVINGS = [date(2020, 5, 11), date(2024, 4, 20)]
MODELS = {"S19J_PRO": ("100", "3050"), "S9": ("13.5", "1323"), "M20S": ("68", "3360")}


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Reference:
    return load(None, None, None, tmp_path_factory.mktemp("no-downloads"))


@pytest.fixture(scope="module")
def packaged() -> generate.Sample:
    return generate.Sample(*files.read(DATA / "sample"))


@pytest.fixture(scope="module")
def installation() -> pl.DataFrame:
    """Curtailment of the size of a real installation."""
    return curtailment(consecutive(1200, 1, date(2022, 1, 1), date(2026, 1, 1)), HALVINGS)


def keys_per_date(records: pl.DataFrame) -> pl.DataFrame:
    return records.group_by("settlement_date").agg(
        keys=pl.struct(KEY).n_unique(), rows=pl.len(), farms=pl.col("farm_id").n_unique()
    )


def test_the_packaged_files_are_what_the_generator_makes_today(packaged: generate.Sample, reference: Reference) -> None:
    today = generate.generate(generate.PACKAGED, reference)
    assert_frame_equal(today.curtailment, packaged.curtailment)
    assert_frame_equal(today.calculations, packaged.calculations)
    assert today.manifest == packaged.manifest


def test_the_same_seed_gives_the_same_frames_and_another_seed_others(reference: Reference) -> None:
    recipe = consecutive(9, 7, date(2023, 10, 25), date(2024, 1, 1))
    first, again = generate.generate(recipe, reference), generate.generate(recipe, reference)
    assert first.curtailment.equals(again.curtailment) and first.calculations.equals(again.calculations)
    other = generate.generate(Recipe(recipe.dates, 8), reference)
    assert not first.curtailment.equals(other.curtailment)
    assert other.manifest["seed"] == 8


def test_the_curtailment_of_a_date_does_not_depend_on_the_other_dates() -> None:
    many = curtailment(consecutive(40, 3, date(2024, 4, 1), date(2026, 1, 1)), HALVINGS)
    one = curtailment(Recipe((date(2024, 4, 20),), 3), HALVINGS)
    assert_frame_equal(one, many.filter(pl.col("settlement_date") == date(2024, 4, 20)))


def test_noise_is_even_and_differs_by_purpose_and_seed() -> None:
    cells = pl.select(cell=pl.int_range(100_000))
    draws = cells.select(
        a=Recipe((), 1).noise("a", pl.col("cell")),
        b=Recipe((), 1).noise("b", pl.col("cell")),
        c=Recipe((), 2).noise("a", pl.col("cell")),
    )
    shares = draws.select((pl.all() < 0.3).mean()).row(0)
    assert all(abs(share - 0.3) < 0.01 for share in shares)
    assert all(abs(draws.select(pl.corr("a", other)).item()) < 0.02 for other in ("b", "c"))
    assert draws.select(pl.all().min() >= 0).row(0) == draws.select(pl.all().max() < 1).row(0) == (True,) * 3


def test_the_packaged_sample_has_both_clock_changes_and_the_halving(packaged: generate.Sample) -> None:
    records = packaged.curtailment
    dates = records.get_column("settlement_date").unique().sort().to_list()
    assert dates == list(generate.PACKAGED.dates) and len(dates) == 42 + 17
    assert (dates[0], dates[41], dates[42], dates[-1]) == (
        date(2024, 3, 20),
        date(2024, 4, 30),
        date(2024, 10, 20),
        date(2024, 11, 5),
    )
    last = records.group_by("settlement_date").agg(
        pl.col("settlement_period").max(), first=pl.col("settlement_period").min()
    )
    periods = {day: period for day, period, _ in last.iter_rows()}
    assert periods[date(2024, 3, 31)] == 46
    assert max(period for day, period in periods.items() if day != date(2024, 10, 27)) == 48
    autumn = records.filter(pl.col("settlement_date") == date(2024, 10, 27)).get_column("settlement_period")
    assert {49, 50} <= set(autumn) and autumn.max() == 50
    assert records.get_column("settlement_period").min() == 1
    named = records.filter(
        (pl.col("settlement_date") == date(2024, 4, 20))
        & (pl.col("settlement_period") == 24)
        & (pl.col("farm_id") == "T_VKNGW-1")
    )
    assert named.height >= 1 and named.get_column("volume").max() < 0


@pytest.mark.parametrize("seed", range(4))
def test_the_key_of_the_documentation_exists_with_any_seed(seed: int) -> None:
    records = curtailment(Recipe((date(2024, 4, 20),), seed), HALVINGS)
    assert records.filter(pl.col("settlement_period") == 24, pl.col("farm_id") == "T_VKNGW-1").height >= 1


def test_farms_look_like_real_ones() -> None:
    roster = farms()
    ids = roster.get_column("farm_id")
    assert 190 <= len(ids) == ids.n_unique() <= 215
    assert roster.get_column("lead_party_name").n_unique() == 92
    assert {"T_VKNGW-1", "T_SGRWO-6", "T_MOWEO-1", "E_CLDRW-1"} <= set(ids)
    assert Counter(re.match(r"(T_|E_|2__|C__)[A-Z]{5}(-\d|\d{3})$", name)[1] for name in ids).keys() == {  # type: ignore[index]
        "T_",
        "E_",
        "2__",
        "C__",
    }


def test_1200_days_have_the_size_of_a_real_installation(installation: pl.DataFrame) -> None:
    days = keys_per_date(installation)
    keys = days.get_column("keys")
    assert days.height == 1200
    assert 460_000 <= keys.sum() <= 540_000 and 640_000 <= installation.height <= 770_000
    assert 4 <= keys.min() <= 6 and 3_000 <= keys.max() <= 3_400
    assert keys.median() < keys.mean() / 3
    busy = days.filter(pl.col("keys") > 800).get_column("farms")
    assert busy.min() >= 50 and busy.max() <= 88
    assert 1.35 <= installation.height / keys.sum() <= 1.45
    heaviest = days.sort("keys").tail(10)
    assert 1.8 <= heaviest.get_column("rows").sum() / heaviest.get_column("keys").sum() <= 2.0
    periods = installation.group_by("settlement_date", "settlement_period").agg(pl.col("volume").sum())
    assert 2_000 <= -periods.get_column("volume").min() <= 2_700


def test_volumes_repeat_their_decimals_and_have_at_most_16_digits(packaged: generate.Sample) -> None:
    texts = [str(volume.normalize()) for volume in packaged.curtailment.get_column("volume") if volume]
    assert all(text.startswith("-") for text in texts)
    assert max(len(re.sub(r"\D", "", text).lstrip("0")) for text in texts) == 16
    repeating = [text for text in texts if re.search(r"(3333|6666|6667)\d*$", text)]
    assert len(repeating) > len(texts) / 2
    energy = packaged.curtailment.group_by(KEY).agg(pl.col("volume").sum())
    nothing = energy.filter(pl.col("volume") == 0).height
    assert 0 < nothing == packaged.manifest["zero_volume_keys"] < energy.height / 100


def test_payments_follow_from_volume_and_price(packaged: generate.Sample) -> None:
    for row in packaged.curtailment.head(5_000).to_dicts():
        steps = round(row["volume"] * 240)
        exact = Fraction(steps, 240) * Fraction(row["original_price"])
        pence = (exact * 100 + Fraction(1, 2)).__floor__()
        assert row["payment"] == Decimal(pence) / 100
        assert abs(
            row["payment"] - (row["volume"] * row["original_price"]).quantize(Decimal("0.01"), ROUND_HALF_UP)
        ) <= Decimal("0.01")
    flags = packaged.curtailment.select(
        pl.col("so_flag", "cadl_flag").mean(), unknown=pl.col("cadl_flag").null_count()
    ).row(0)
    assert flags[0] > 0.9 and 0 < flags[1] < 0.1 and flags[2] > 0


def exact_bitcoin(mwh: Decimal, model: str, difficulty: Decimal, subsidy: Decimal) -> Decimal:
    """The BTC of a key in decimal arithmetic of 60 digits."""
    hashrate, power = map(Decimal, MODELS[model])
    with localcontext() as context:
        context.prec = 60
        joules = mwh * Decimal(3_600_000_000)
        hashes = joules * hashrate * 10**12 / power
        return (hashes / (difficulty * 2**32) * subsidy).quantize(Decimal("0.00000001"), ROUND_HALF_EVEN)


def test_all_stored_values_are_right_but_for_the_wrong_ones_counted(
    packaged: generate.Sample, reference: Reference
) -> None:
    mwh = {row[:3]: row[3] for row in packaged.curtailment.group_by(KEY).agg(pl.col("volume").abs().sum()).iter_rows()}
    difficulty = {
        row["settlement_date"]: row["difficulty"] for row in reference.terms(list(generate.PACKAGED.dates)).to_dicts()
    }
    halved = date(2024, 4, 20)
    kinds: Counter[str] = Counter()
    for row in packaged.calculations.iter_rows():
        day, period, farm, model, bitcoin, stored_difficulty, _ = row
        if (day, period, farm) not in mwh or model not in MODELS:
            continue
        subsidy = Decimal("6.25") if day < halved else Decimal("3.125")
        energy = mwh[day, period, farm]
        if stored_difficulty != difficulty[day]:
            assert stored_difficulty == 108105433845147
            assert bitcoin == exact_bitcoin(energy, model, stored_difficulty, subsidy)
            kinds["stale_difficulty"] += 1
        elif bitcoin != exact_bitcoin(energy, model, stored_difficulty, subsidy):
            doubled = bitcoin == exact_bitcoin(energy, model, stored_difficulty, 2 * subsidy)
            assert doubled or bitcoin == 0
            kinds["double_subsidy" if doubled else "zero_bitcoin"] += 1
    assert dict(kinds) == packaged.manifest["wrong_by_kind"]


def test_the_manifest_counts_what_the_frames_hold(packaged: generate.Sample) -> None:
    manifest = packaged.manifest
    keys = set(packaged.curtailment.select(KEY).iter_rows())
    expected = {(*key, model) for key in keys for model in MODELS}
    rows = Counter(packaged.calculations.select(CALC_KEY).iter_rows())
    matched = expected & rows.keys()
    assert manifest["miner_models"] == list(MODELS)
    assert manifest["curtailment_rows"] == packaged.curtailment.height
    assert manifest["calculation_rows"] == packaged.calculations.height == rows.total()
    assert (manifest["keys"], manifest["expected"]) == (len(keys), len(expected))
    assert (manifest["matched"], manifest["missing"]) == (len(matched), len(expected) - len(matched))
    assert manifest["duplicate"] == sum(rows[pair] - 1 for pair in matched)
    assert manifest["orphan"] == sum(count for pair, count in rows.items() if pair not in expected)
    for name in ("missing", "duplicate", "orphan", "wrong"):
        assert sum(manifest[f"{name}_by_kind"].values()) == manifest[name]
        assert all(count > 0 for count in manifest[f"{name}_by_kind"].values())
    assert manifest["matched"] + manifest["duplicate"] + manifest["orphan"] == manifest["calculation_rows"]
    assert 0.60 <= manifest["matched"] / manifest["expected"] <= 0.70


def test_each_kind_of_missing_row_looks_like_its_name(packaged: generate.Sample) -> None:
    keys = packaged.curtailment.select(KEY).unique()
    stored = packaged.calculations.join(keys, on=KEY, how="semi").filter(pl.col("miner_model").is_in(list(MODELS)))
    found = (
        keys.group_by("settlement_date")
        .agg(keys=pl.len(), farms=pl.col("farm_id").n_unique())
        .join(
            stored.group_by("settlement_date").agg(
                pairs=pl.struct(CALC_KEY).n_unique(),
                models=pl.col("miner_model").n_unique(),
                stored_farms=pl.col("farm_id").n_unique(),
            ),
            on="settlement_date",
            how="left",
        )
    )
    assert (
        found.filter(pl.col("pairs").is_null()).get_column("keys").sum() * 3
        == packaged.manifest["missing_by_kind"]["whole_dates"]
    )
    assert found.filter(pl.col("models") == 2, pl.col("pairs") == 2 * pl.col("keys")).height > 3
    assert found.filter(pl.col("stored_farms") == 1, pl.col("farms") > 1).height > 3
    assert found.filter(pl.col("pairs") == 3 * pl.col("keys")).height > 10


@pytest.mark.parametrize("days", [1, 2, 30])
def test_samples_of_any_size_have_something_to_fix(days: int, tmp_path: Path, reference: Reference) -> None:
    manifest = generate.write(tmp_path / "new", first=date(2022, 1, 1), days=days, seed=1, reference=reference)
    curtailment_frame, calculations, read_back = files.read(tmp_path / "new")
    assert read_back == manifest and manifest["days"] == days
    assert curtailment_frame.get_column("settlement_date").n_unique() == days
    assert 0 < manifest["missing"] < manifest["expected"]
    assert calculations.height == manifest["calculation_rows"]


def test_days_without_difficulty_are_refused(tmp_path: Path, reference: Reference) -> None:
    for first, days in (
        (date(2022, 1, 1), 0),
        (date(2022, 1, 1), 9_999),
        (date(2199, 1, 1), 1),
        (date(2010, 1, 1), 1),
    ):
        with pytest.raises(UsageError):
            generate.write(tmp_path / "out", first=first, days=days, seed=1, reference=reference)
    assert not (tmp_path / "out").exists()


def test_a_directory_with_other_files_is_left_alone_and_a_sample_is_replaced(
    tmp_path: Path, reference: Reference
) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match=r"other files.*thesis\.txt"):
        generate.write(tmp_path, first=date(2022, 1, 2), days=1, seed=1, reference=reference)
    generate.write(tmp_path, first=date(2022, 1, 2), days=1, seed=1, reference=reference, force=True)
    generate.write(tmp_path, first=date(2022, 1, 2), days=1, seed=2, reference=reference)
    assert json.loads((tmp_path / "sample.json").read_text())["seed"] == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "curtailment_records.parquet",
        "historical_bitcoin_calculations.parquet",
        "sample.json",
        "thesis.txt",
    ]


@pytest.mark.parametrize("damage", ["absent", "truncated", "of another sample", "no manifest", "bad manifest"])
def test_a_damaged_sample_is_refused_in_one_line(damage: str, tmp_path: Path, reference: Reference) -> None:
    generate.write(tmp_path, first=date(2022, 1, 2), days=2, seed=1, reference=reference)
    path = tmp_path / "curtailment_records.parquet"
    if damage == "absent":
        path.unlink()
    elif damage == "truncated":
        path.write_bytes(path.read_bytes()[:-100])
    elif damage == "of another sample":
        pl.read_parquet(path).head(3).write_parquet(path)
    elif damage == "no manifest":
        (tmp_path / "sample.json").unlink()
    else:
        (tmp_path / "sample.json").write_text("[]")
    with pytest.raises(DataFileError) as caught:
        files.read(tmp_path)
    assert "\n" not in caught.value.message and str(tmp_path) in caught.value.message


def test_the_data_are_small_and_described_by_their_readme(packaged: generate.Sample) -> None:
    assert sum(path.stat().st_size for path in DATA.rglob("*") if path.is_file()) < 5_000_000
    assert sample_load.packaged() == DATA / "sample"
    readme = (DATA / "README.md").read_text()
    counts = {
        name: int(count.replace(",", ""))
        for name, count in re.findall(r"^\| `(\w+)` +\|.*?\| +([\d,]+) \|$", readme, re.MULTILINE)
    }
    manifest = packaged.manifest
    by_kind = {kind: n for name, kinds in manifest.items() if name.endswith("_by_kind") for kind, n in kinds.items()}
    assert {name: counts[name] for name in by_kind} == by_kind
    totals = (
        "curtailment_rows",
        "calculation_rows",
        "keys",
        "expected",
        "matched",
        "missing",
        "duplicate",
        "orphan",
        "wrong",
    )
    assert {name: counts[name] for name in totals} == {name: manifest[name] for name in totals}
    for name, rows in (
        ("curtailment_records", "curtailment_rows"),
        ("historical_bitcoin_calculations", "calculation_rows"),
    ):
        assert f"| `sample/{name}.parquet` | {manifest[rows]:,} |" in readme
    for path in DATA.glob("*.csv"):
        lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
        assert re.search(rf"`{path.name}` \| {len(lines) - 1:,} \|", readme), path.name
