"""The physics: what Bitcoin a key's energy could have mined on each miner model.

A machine turns energy into hashes at power_w / hashrate; a block takes difficulty x 2^32 hashes on
average and pays the block subsidy. Hence

    BTC = energy_J / (power_W / hashrate_H_per_s) / (difficulty x 2^32) x subsidy_BTC

Power cancels time, so no period length appears for a fractional fleet.
"""

from __future__ import annotations

import polars as pl

from recon.core.schema import BTC, SATOSHI_DECIMALS
from recon.core.settings import Fleet

J_PER_MWH = 3.6e9
W_PER_MW = 1e6
H_PER_TH = 1e12
HOURS_PER_PERIOD = 0.5
HASHES_PER_DIFFICULTY = 2.0**32
SATOSHI_PER_BTC = 10.0**SATOSHI_DECIMALS
MOST_BTC = 1e21
"""Far beyond all there will ever be; sums of so much still fit 38 digits."""
FLOOR_DECIMALS = 9
"""A quotient within 1e-9 of a whole machine is one: 1.525 MWh runs exactly 1000 machines of 3050 W, which
binary floating point may put at 999.9999999999999."""


def joules_per_hash() -> pl.Expr:
    """The energy of one hash, in J, on the row's miner model (`power_w`, `hashrate_ths`)."""
    return pl.col("power_w") / (pl.col("hashrate_ths") * H_PER_TH)


def hashes(energy_mwh: pl.Expr) -> pl.Expr:
    """The hashes that an energy (MWh) buys on the row's miner model."""
    return energy_mwh * J_PER_MWH / joules_per_hash()


def blocks(energy_mwh: pl.Expr, difficulty: pl.Expr) -> pl.Expr:
    """The blocks that an energy (MWh) finds on average at a difficulty (dimensionless, Float64)."""
    return hashes(energy_mwh) / (difficulty * HASHES_PER_DIFFICULTY)


def bitcoin(energy_mwh: pl.Expr, difficulty: pl.Expr) -> pl.Expr:
    """BTC (unrounded) that an energy (MWh) buys at a difficulty (Float64) and the row's `subsidy_btc`."""
    return blocks(energy_mwh, difficulty) * pl.col("subsidy_btc")


def whole_machine_share() -> pl.Expr:
    """The share of a period's energy that whole machines can use: floored once over all farms of the period."""
    period_mwh = pl.col("energy_mwh").sum().over("settlement_date", "settlement_period", "miner_model")
    machine_mwh = pl.col("power_w") / W_PER_MW * HOURS_PER_PERIOD
    machines = (period_mwh / machine_mwh).round(FLOOR_DECIMALS).floor()
    share = (machines * machine_mwh / period_mwh).clip(upper_bound=1.0)
    return pl.when(period_mwh > 0).then(share).otherwise(0.0)


def satoshi_rounded(btc: pl.Expr) -> pl.Expr:
    """BTC as the Decimal that is stored: rounded once, half-even, to 8 decimals; null for more than is ever stored."""
    satoshi = pl.when(btc < MOST_BTC).then(btc * SATOSHI_PER_BTC).round(0, mode="half_to_even").cast(pl.Int128)
    return satoshi.cast(pl.Decimal(38, 0)) * pl.lit("0.00000001").cast(BTC)


def price(energy: pl.LazyFrame, miners: pl.LazyFrame, fleet: Fleet = Fleet.FRACTIONAL) -> pl.LazyFrame:
    """One row per key and miner model, with `bitcoin_mined` (BTC, Decimal(38,8)).

    energy: one row per KEY with energy_mwh, difficulty (dimensionless, Float64 or Decimal) and subsidy_btc.
    miners: one row per miner model (schema.MINERS). Both orders are kept, models within keys.
    """
    return priced(_paired(_with_float(energy), miners), fleet)


def priced(pairs: pl.LazyFrame, fleet: Fleet = Fleet.FRACTIONAL) -> pl.LazyFrame:
    """The pairs with `bitcoin_mined` (BTC, Decimal(38,8)). No row is dropped: a null difficulty gives a null BTC.

    pairs: as of `wanted`; with a whole fleet every key of its settlement periods: machines are floored per period.
    """
    usable = pl.col("energy_mwh") * (1.0 if fleet is Fleet.FRACTIONAL else whole_machine_share())
    btc = satoshi_rounded(bitcoin(usable, pl.col("difficulty_float")))
    return pairs.with_columns(bitcoin_mined=btc)


def calculations(
    keys: pl.LazyFrame, miners: pl.LazyFrame, terms: pl.LazyFrame, fleet: Fleet = Fleet.FRACTIONAL
) -> pl.LazyFrame:
    """What the calculations table should hold for whole dates: one priced row per key and miner model, its difficulty
    also as Float64 (`difficulty_float`).

    keys: one row per KEY with energy_mwh. terms: one row per settlement date with `difficulty` and `subsidy_btc`;
    the rows of a date without them are there, with a null BTC.
    """
    return priced(wanted(keys, miners, terms), fleet)


def wanted(keys: pl.LazyFrame, miners: pl.LazyFrame, terms: pl.LazyFrame) -> pl.LazyFrame:
    """One row per key and miner model, with all that `priced` needs; arguments as for `calculations`."""
    return _paired(keys.join(_with_float(terms), on="settlement_date", how="left", maintain_order="left"), miners)


def _with_float(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Rows with their `difficulty` as Float64, too: that takes three times as long as pricing, so it is done before
    each is joined with every miner model.
    """
    return rows.with_columns(difficulty_float=pl.col("difficulty").cast(pl.Float64))


def _paired(keys: pl.LazyFrame, miners: pl.LazyFrame) -> pl.LazyFrame:
    return keys.join(miners, how="cross", maintain_order="left_right")
