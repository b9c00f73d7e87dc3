"""Invented curtailment in the shape of real curtailment, the same for the same seed on every machine."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import polars as pl

from recon.core.schema import KEY, KEY_SCHEMA
from recon.core.window import periods_in_day
from recon.sample.recipe import Recipe

VOLUME = pl.Decimal(38, 14)
MONEY = pl.Decimal(38, 2)
VOLUME_STEPS_PER_MWH = 240
"""Volumes are integrals of MW ramps over half minutes and so: 8743 steps are 36.42916666666667 MWh."""

MOST_KEYS_PER_DAY = 3385
MOST_FARMS_PER_DAY = 88
BUSY = 0.93
"""The least `luck` of clock changes and halvings, so that they have enough keys to be worth looking at."""

NAMED_KEY = (date(2024, 4, 20), 24, "T_VKNGW-1")
"""A key that exists in every sample with that date: the documentation explains it."""

CURTAILMENT = {
    **KEY_SCHEMA,
    "lead_party_name": pl.String,
    "volume": VOLUME,
    "payment": MONEY,
    "original_price": MONEY,
    "final_price": MONEY,
    "so_flag": pl.Boolean,
    "cadl_flag": pl.Boolean,
    "created_at": pl.Datetime("us"),
}
"""The curtailment_records table without its id: volume in MWh (negative), payment in GBP, prices in GBP/MWh."""

FIRST_WORDS = (
    "Ardle",
    "Birsay",
    "Corran",
    "Dunmore",
    "Elrick",
    "Fallow",
    "Garvock",
    "Hexley",
    "Inver",
    "Jarrow",
    "Kestrel",
    "Lomond",
    "Murdo",
    "Nevis",
    "Orrin",
    "Pentre",
    "Quoich",
    "Rannoch",
    "Stroma",
    "Tarbet",
    "Urquhart",
    "Whinny",
)
SECOND_WORDS = ("Bank", "Hill", "Moss", "Sands")
PREFIXES = ("T_", "T_", "E_", "T_", "T_", "2__", "T_", "E_", "T_", "C__", "T_")
UNITS = (1, 2, 3, 1, 2, 4, 1, 3)
NAMED_SITES = (("T_", "VKNGW", 4), ("T_", "SGRWO", 6), ("T_", "MOWEO", 3), ("E_", "CLDRW", 1))


def farms() -> pl.DataFrame:
    """One row per farm: farm_id, lead_party_name, `farm` (its number), most_mwh per row, appetite and price_pence."""
    sites = [(prefix, code, units, f"{code} Wind Farm Ltd") for prefix, code, units in NAMED_SITES]
    for n, (first, second) in enumerate((f, s) for f in FIRST_WORDS for s in SECOND_WORDS):
        code = first[:3].upper() + second[0] + "W"
        sites.append((PREFIXES[n % 11], code, UNITS[n % 8], f"{first} {second} Wind Farm Ltd"))
    rows = [
        (f"{prefix}{code}{unit:03}" if prefix in ("2__", "C__") else f"{prefix}{code}-{unit}", party, site)
        for site, (prefix, code, units, party) in enumerate(sites)
        for unit in range(1, units + 1)
    ]
    frame = pl.DataFrame(
        rows, schema={"farm_id": pl.String, "lead_party_name": pl.String, "site": pl.Int64}, orient="row"
    )
    return frame.with_row_index("farm").with_columns(
        most_mwh=8 + pl.col("site") * 37 % 91,
        appetite=0.5 + (pl.col("site") * 53 % 100) / 100,
        price_pence=-(300 + pl.col("site") * 829 % 8_900),
    )


def days(recipe: Recipe, halvings: Sequence[date]) -> pl.DataFrame:
    """One row per date: `day` (a number), its periods, and how many keys, farms and rows per key to aim at."""
    busy = [periods_in_day(day) != 48 or day in halvings for day in recipe.dates]
    frame = pl.DataFrame(
        {"settlement_date": recipe.dates, "periods": [periods_in_day(day) for day in recipe.dates], "busy": busy},
        schema={"settlement_date": pl.Date, "periods": pl.Int64, "busy": pl.Boolean},
    ).with_columns(day=pl.col("settlement_date").to_physical().cast(pl.Int64))
    luck = recipe.noise("luck", pl.col("day"))
    u = pl.when("busy").then(BUSY + (1 - BUSY) * luck).otherwise(luck)
    cubed = u * u * u
    size = 0.22 * cubed + 0.78 * cubed * cubed * cubed * u * u
    return frame.with_columns(size=size, keys=4 + (MOST_KEYS_PER_DAY - 4) * size).with_columns(
        farms=(1.9 * pl.col("keys").sqrt()).ceil().clip(4, MOST_FARMS_PER_DAY),
        more_rows=pl.col("size") * (0.7 + 0.3 * pl.col("size")),
    )


def _farm_day() -> pl.Expr:
    return pl.col("settlement_date").to_physical().cast(pl.Int64) * 256 + pl.col("farm")


def key_cell() -> pl.Expr:
    """The number of a KEY, from its date, `farm` and period: a multiple of four, as up to three rows share it."""
    return (_farm_day() * 64 + pl.col("settlement_period").cast(pl.Int64)) * 4


def keys(recipe: Recipe, halvings: Sequence[date]) -> pl.DataFrame:
    """One row per KEY, with its farm's and day's columns: each chosen farm is curtailed in one stretch of the day."""
    return (
        _stretches(recipe, _farm_days(recipe, halvings))
        .with_columns(settlement_period=pl.int_ranges("start", "end", dtype=pl.Int64))
        .explode("settlement_period")
        .with_columns(cell=key_cell())
    )


def _farm_days(recipe: Recipe, halvings: Sequence[date]) -> pl.DataFrame:
    """One row per date and farm curtailed on it; NAMED_KEY's farm is always chosen."""
    day, _, farm = NAMED_KEY
    score = pl.when("named").then(9.0).otherwise(pl.col("appetite") * recipe.noise("farm", _farm_day()))
    return (
        days(recipe, halvings)
        .join(farms(), how="cross")
        .with_columns(named=(pl.col("settlement_date") == day) & (pl.col("farm_id") == farm))
        .with_columns(place=score.rank("ordinal", descending=True).over("settlement_date"))
        .filter(pl.col("place") <= pl.col("farms"))
    )


def _stretches(recipe: Recipe, farm_days: pl.DataFrame) -> pl.DataFrame:
    """With `start` and `end` (exclusive), the periods of the stretch; NAMED_KEY's period is in its farm's one."""
    mean = pl.col("keys") / pl.col("farms")
    length = (mean * (0.5 + recipe.noise("length", _farm_day()))).round().cast(pl.Int64).clip(1, pl.col("periods"))
    # half of the stretches begin or end at midnight, as wind does not know of settlement days
    where = (2 * recipe.noise("start", _farm_day()) - 0.5).clip(0, 1)
    start = 1 + (where * (pl.col("periods") - pl.col("length"))).floor().cast(pl.Int64)
    placed = farm_days.with_columns(length=length).with_columns(start=start)
    placed = placed.with_columns(end=pl.col("start") + pl.col("length"))
    _, period, _ = NAMED_KEY
    return placed.with_columns(
        start=pl.when("named").then(pl.min_horizontal("start", pl.lit(period))).otherwise("start"),
        end=pl.when("named").then(pl.max_horizontal("end", pl.lit(period + 1))).otherwise("end"),
    )


def _source_rows(recipe: Recipe, keys: pl.DataFrame) -> pl.DataFrame:
    """One row per source row, in order of key: one to three a key, and a single one where `zero`."""
    key = pl.col("cell")
    second = recipe.noise("second row", key) < 0.75 * pl.col("more_rows")
    third = recipe.noise("third row", key) < 0.25 * pl.col("more_rows")
    more = pl.when("zero").then(0).otherwise(second.cast(pl.Int64) + third.cast(pl.Int64))
    return (
        keys.with_columns(zero=(recipe.noise("zero", key) < 0.003) & ~pl.col("named"))
        .with_columns(row=pl.int_ranges(1 + more))
        .explode("row")
        .with_columns(cell=pl.col("cell") + pl.col("row"))
        .sort(*KEY, "row")
    )


def _with_figures(recipe: Recipe, rows: pl.DataFrame) -> pl.DataFrame:
    """With volume in `steps`, `price` and `final` price in pence per MWh: a key's later rows are cheaper."""
    most_steps = pl.col("most_mwh") * VOLUME_STEPS_PER_MWH
    steps = 1 + (recipe.noise("volume", pl.col("cell")) * 0.5 * most_steps).floor().cast(pl.Int64)
    swing = (recipe.noise("price", pl.col("cell")) * 700).floor().cast(pl.Int64)
    discount = pl.when(recipe.noise("repriced", pl.col("cell")) < 0.04).then(125).otherwise(0)
    return rows.with_columns(
        steps=pl.when("zero").then(0).otherwise(steps),
        price=pl.col("price_pence") - 150 * pl.col("row") + swing,
    ).with_columns(final=pl.col("price") - discount)


def curtailment(recipe: Recipe, halvings: Sequence[date]) -> pl.DataFrame:
    """CURTAILMENT rows in order of key: one to three a key, 0.3 % of the keys with no volume.

    payment = volume x original_price, rounded to pence; the final price differs now and then.
    """
    minutes = 240 + (recipe.noise("created", pl.col("day")) * 90).floor().cast(pl.Int64)
    cadl = recipe.noise("cadl", pl.col("cell"))
    rows = _with_figures(recipe, _source_rows(recipe, keys(recipe, halvings)))
    return rows.select(
        *KEY,
        "lead_party_name",
        volume=-_decimal((pl.col("steps") * 10**14 + VOLUME_STEPS_PER_MWH // 2) // VOLUME_STEPS_PER_MWH, VOLUME),
        payment=_decimal((-2 * pl.col("steps") * pl.col("price") + 240) // 480, MONEY),
        original_price=_decimal(pl.col("price"), MONEY),
        final_price=_decimal(pl.col("final"), MONEY),
        so_flag=recipe.noise("so", pl.col("cell")) < 0.97,
        cadl_flag=pl.when(cadl < 0.96).then(cadl < 0.03),
        created_at=pl.col("settlement_date").cast(pl.Datetime("us")) + pl.duration(days=1, minutes=minutes),
    ).cast(CURTAILMENT)  # type: ignore[arg-type]


def _decimal(units: pl.Expr, dtype: pl.Decimal) -> pl.Expr:
    """Integer units of the last decimal as that decimal, exactly."""
    unit = pl.lit("0." + "0" * (dtype.scale - 1) + "1").cast(dtype)
    return units.cast(pl.Int128).cast(pl.Decimal(38, 0)) * unit
