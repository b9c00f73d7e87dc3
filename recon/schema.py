"""The vocabulary: keys, frames and their units.

Frames are named here once. A column that has a unit carries it in its name: `energy_mwh`,
`power_w`, `hashrate_ths`, `subsidy_btc`, `bitcoin_mined` (BTC, 8 decimals).
"""

from __future__ import annotations

from typing import Any

import polars as pl

FrameSchema = dict[str, Any]
"""Column names and their Polars types (whose own type for this is private)."""

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
