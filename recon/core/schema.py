"""The vocabulary: keys, frames and their units.

Frames are named here once. A column that has a unit carries it in its name: `energy_mwh`,
`power_w`, `hashrate_ths`, `subsidy_btc`, `bitcoin_mined` (BTC, 8 decimals).
"""

from __future__ import annotations

from typing import Any

import polars as pl

FrameSchema = dict[str, Any]
"""Column names with their Polars types; the name that Polars has for such a type is private."""

KEY = ["settlement_date", "settlement_period", "farm_id"]
"""What identifies a curtailment: several source rows of one key are normal and are summed."""

CALC_KEY = [*KEY, "miner_model"]
"""What identifies a calculation: exactly one row is expected per key and miner model."""

SATOSHI_DECIMALS = 8
BTC = pl.Decimal(38, SATOSHI_DECIMALS)

KEY_SCHEMA: FrameSchema = {"settlement_date": pl.Date, "settlement_period": pl.Int32, "farm_id": pl.String}
CALC_KEY_SCHEMA: FrameSchema = {**KEY_SCHEMA, "miner_model": pl.String}

ENERGY: FrameSchema = {**KEY_SCHEMA, "energy_mwh": pl.Float64}
"""One row per KEY: the sum of |volume| over its priceable source rows."""

DONE: FrameSchema = CALC_KEY_SCHEMA
"""One row per stored calculation; a CALC_KEY may repeat (duplicates)."""

MINERS: FrameSchema = {"miner_model": pl.String, "hashrate_ths": pl.Float64, "power_w": pl.Float64}
"""One row per miner model."""

SUBSIDIES: FrameSchema = {"starts_on": pl.Date, "subsidy_btc": pl.Float64}
"""One row per block subsidy, in force from 00:00 of `starts_on`."""

EPOCHS: FrameSchema = {"height": pl.Int64, "starts_at_utc": pl.Datetime("us", "UTC"), "difficulty": pl.Decimal(38, 8)}
"""One row per difficulty epoch (2016 blocks), in force from `starts_at_utc`."""

STORED: FrameSchema = {
    "row_id": pl.String,
    **KEY_SCHEMA,
    "miner_model": pl.String,
    "stored_btc": pl.Float64,
    "stored_difficulty": pl.Float64,
}
"""One row per stored calculation; row_id names it for the server."""

PERIOD = ["settlement_date", "settlement_period"]
"""What identifies a settlement period."""

CELL = ["settlement_date", "cell"]
"""What identifies a settlement period or, where these have many keys, a part of one (see `postgres.scope.Cells`)."""

CAUSES = ("wrong_subsidy", "wrong_difficulty", "wrong_energy", "wrong_btc", "zero", "negative", "nan")
"""Why the value of a stored row is wrong."""
CAUSE = pl.Enum(CAUSES)

SIDE = ["settlement_date", "miner_model"]
"""The grain of the survey: what one date holds for one miner model."""

COUNTS: FrameSchema = {
    "settlement_date": pl.Date,
    "miner_model": pl.String,
    "expected": pl.Int64,
    "matched": pl.Int64,
    "duplicate": pl.Int64,
    "orphan": pl.Int64,
}
"""One row per settlement date and miner model (configured, or found in the table)."""


def json_number(value: float | None) -> float | str | None:
    """JSON has no NaN and no infinity: they are written as text."""
    return value if value is None or abs(value) < float("inf") else str(value)


SOURCE_STATE: FrameSchema = {"settlement_date": pl.Date, "source_rows": pl.Int64, "volumes": pl.String}
"""One row per settlement date of the curtailment; two that are equal mean that no row has changed: of rows that are
told by their version the number says so, of others the checksum `volumes`."""
HASHED_ENERGY: FrameSchema = {**ENERGY, "key_hash": pl.Int64}
"""ENERGY with the hash by which the server tells keys."""
HASHED_KEY = ["settlement_date", "key_hash"]
"""A KEY by its hash, which is unique within its date but for one time in 10^13."""
KEY_CODE = pl.col("key_hash") ^ (pl.col("settlement_date").cast(pl.Int32).cast(pl.Int64) * 256)
"""A HASHED_KEY as one number."""
DONE_HASHES: FrameSchema = {"settlement_date": pl.Date, "key_hash": pl.Int64, "miner_model": pl.String}
"""One row per stored calculation by its key's hash; a null hash belongs to no key."""
CELL_KEYS: FrameSchema = {
    "settlement_date": pl.Date,
    "cell": pl.Int64,
    "key_hash": pl.Int64,
    "volume_hash": pl.Int64,
}
"""One row per row of the curtailment: its CELL, the hash of its KEY (null where it cannot be priced), and what it adds
to `volumes` of SOURCE_STATE."""
STORED_SUMS: FrameSchema = {
    "settlement_date": pl.Date,
    "miner_model": pl.String,
    "is_new": pl.Boolean,
    "rows": pl.Int64,
    "checksum": pl.Int128,
    "contents": pl.Int128,
    "satoshi": pl.Int128,
    "lowest": pl.String,
    "highest": pl.String,
}
"""One row per settlement date, miner model and whether its rows are new: how many they are and the sum of their keys'
hashes. Of rows that are not new, the sum of their values' hashes. Of new rows the BTC in satoshis, weighted by those of
the keys (null where one is no finite number), and the lowest and the highest difficulty (null where one has none)."""
SOURCE_ROWS: FrameSchema = {**ENERGY, "source_rows": pl.Int64, "row_mwh": pl.List(pl.Float64)}
