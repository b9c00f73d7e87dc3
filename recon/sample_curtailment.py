"""Invented curtailment in the shape of real curtailment, the same for the same seed on every machine.

Every number is a hash of (seed, purpose, cell), so that a date does not depend on which other dates are generated,
and only integers and exactly rounded arithmetic are used, so that no mathematics library can change a digit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from hashlib import blake2b

import polars as pl

from recon.errors import UsageError
from recon.schema import KEY, KEY_SCHEMA
from recon.window import periods_in_day

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


@dataclass(frozen=True)
class Recipe:
    """What to generate: these settlement dates, from this seed."""

    dates: tuple[date, ...]
    seed: int

    def noise(self, purpose: str, cell: pl.Expr) -> pl.Expr:
        """A number in [0, 1) for each cell (a non-negative integer), another one for each purpose."""
        salt = int.from_bytes(blake2b(f"{self.seed}/{purpose}".encode(), digest_size=8).digest())
        mixed = _mixed(_u64(salt) + cell.cast(pl.UInt64) * _u64(0x9E3779B97F4A7C15))
        return (mixed // _u64(2**11)).cast(pl.Float64) * 2.0**-53


def _u64(value: int) -> pl.Expr:
    return pl.lit(value, dtype=pl.UInt64)


def _mixed(state: pl.Expr) -> pl.Expr:
    """The finalizer of splitmix64 (Steele, Lea and Flood, 2014); unsigned arithmetic wraps."""
    state = (state ^ (state // _u64(2**30))) * _u64(0xBF58476D1CE4E5B9)
    state = (state ^ (state // _u64(2**27))) * _u64(0x94D049BB133111EB)
    return state ^ (state // _u64(2**31))


def consecutive(days: int, seed: int, first: date, known_through: date) -> Recipe:
    """`days` dates from `first`; UsageError when there is none, or when difficulty is not known for all of them."""
    most = (known_through - first).days + 1
    if most < 1:
        raise UsageError(f"--start is {first}", f"difficulty is known through {known_through}: start earlier")
    if not 1 <= days <= most:
        raise UsageError(
            f"--days is {days}", f"give 1 to {most}: the sample starts on {first}, difficulty ends on {known_through}"
        )
    return Recipe(tuple(first + timedelta(days=n) for n in range(days)), seed)


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
    named_date, named_period, named_farm = NAMED_KEY
    named = (pl.col("settlement_date") == named_date) & (pl.col("farm_id") == named_farm)
    cell = _farm_day()
    score = pl.when(named).then(9.0).otherwise(pl.col("appetite") * recipe.noise("farm", cell))
    chosen = (
        days(recipe, halvings)
        .join(farms(), how="cross")
        .with_columns(place=score.rank("ordinal", descending=True).over("settlement_date"))
        .filter(pl.col("place") <= pl.col("farms"))
    )
    mean = pl.col("keys") / pl.col("farms")
    length = (mean * (0.5 + recipe.noise("length", cell))).round().cast(pl.Int64).clip(1, pl.col("periods"))
    # half of the stretches begin or end at midnight, as wind does not know of settlement days
    where = (2 * recipe.noise("start", cell) - 0.5).clip(0, 1)
    start = 1 + (where * (pl.col("periods") - pl.col("length"))).floor().cast(pl.Int64)
    stretches = chosen.with_columns(length=length).with_columns(start=start)
    reach = stretches.with_columns(
        start=pl.when(named).then(pl.col("start").clip(upper_bound=named_period)).otherwise("start"),
        end=pl.when(named)
        .then(pl.max_horizontal(pl.col("start") + pl.col("length"), named_period + 1))
        .otherwise(pl.col("start") + pl.col("length")),
    )
    return (
        reach.with_columns(settlement_period=pl.int_ranges("start", "end", dtype=pl.Int64))
        .explode("settlement_period")
        .with_columns(cell=key_cell(), named=named)
    )


def curtailment(recipe: Recipe, halvings: Sequence[date]) -> pl.DataFrame:
    """CURTAILMENT rows in order of key: one to three a key, 0.3 % of the keys with no volume.

    payment = volume x original_price, rounded to pence; the final price differs now and then.
    """
    key = pl.col("cell")
    zero = (recipe.noise("zero", key) < 0.003) & ~pl.col("named")
    more = recipe.noise("second row", key) < 0.75 * pl.col("more_rows")
    most = recipe.noise("third row", key) < 0.25 * pl.col("more_rows")
    rows = (
        keys(recipe, halvings)
        .with_columns(zero=zero)
        .with_columns(row=pl.int_ranges(1 + (~pl.col("zero") & more).cast(pl.Int64) + (~pl.col("zero") & most)))
        .explode("row")
        .with_columns(cell=pl.col("cell") + pl.col("row"))
        .sort(*KEY, "row")
    )
    most_steps = pl.col("most_mwh") * VOLUME_STEPS_PER_MWH
    steps = 1 + (recipe.noise("volume", pl.col("cell")) * 0.5 * most_steps).floor().cast(pl.Int64)
    price = pl.col("price_pence") - 150 * pl.col("row") + (recipe.noise("price", pl.col("cell")) * 700).floor()
    repriced = recipe.noise("repriced", pl.col("cell"))
    rows = rows.with_columns(
        steps=pl.when("zero").then(0).otherwise(steps),
        price=price.cast(pl.Int64),
    ).with_columns(final=pl.col("price") - pl.when(repriced < 0.04).then(pl.lit(125)).otherwise(0))
    minutes = 240 + (recipe.noise("created", pl.col("day")) * 90).floor().cast(pl.Int64)
    cadl = recipe.noise("cadl", pl.col("cell"))
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
