"""The verdict on stored rows, by what the reference data make of their keys."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import polars as pl

from recon.core.price import HOURS_PER_PERIOD, W_PER_MW, calculations
from recon.core.schema import CALC_KEY, PERIOD
from recon.core.settings import Fleet
from recon.postgres.scope import Scope
from recon.postgres.tables import Tables
from recon.reference.reference import Reference
from recon.values import verdicts, why
from recon.values.tolerance import Tolerance


@dataclass(frozen=True)
class Judge:
    """Compares stored values with those that the reference data give, within a tolerance."""

    reference: Reference
    fleet: Fleet
    tolerance: Tolerance = field(default_factory=Tolerance)

    @property
    def by_period(self) -> bool:
        """Whether what a key is worth depends on the others of its settlement period: of whole machines."""
        return self.fleet.needs_whole_periods

    def stored(
        self, tables: Tables, keys: pl.DataFrame, scope: Scope, *, named: bool = True, whole_dates: bool = True
    ) -> pl.DataFrame:
        """The verdicts on what the tables hold within a scope; keys: its ENERGY.

        named: with the rows' `row_id`. whole_dates: see `verdicts`.
        """
        return self.verdicts(keys, tables.values(scope, named=named), whole_dates=whole_dates)

    def verdicts(self, keys: pl.DataFrame, stored: pl.DataFrame, *, whole_dates: bool = True) -> pl.DataFrame:
        """verdicts.judge for keys (ENERGY) and stored rows (STORED).

        Only the rows that one join does not settle are looked at more closely.
        whole_dates: whether dates may prove to be priced as whole machines; of some settlement periods of a date, what
        `priced_whole` says of all of them.
        """
        miners, terms = self.reference.miners.lazy(), self._terms(keys)
        rates = terms.lazy()

        def look(rows: pl.DataFrame) -> pl.DataFrame:
            periods = rows.lazy().select("settlement_date", "settlement_period").unique()
            some = keys.lazy().join(periods, on=PERIOD, how="semi")
            wanted = self._both_ways(some, rates)
            found = verdicts.judge(wanted, rows.lazy(), miners, self.tolerance, whole_dates=whole_dates).collect()
            return why.with_causes(found, self._known(terms, some), self.tolerance)

        wanted = calculations(keys.lazy(), miners, rates, self.fleet)
        return verdicts.judge_doubtful(wanted, stored, look, self.tolerance)

    def priced_whole(self, pieces: Iterable[tuple[pl.DataFrame, pl.DataFrame]]) -> bool:
        """Whether a date that is judged piece by piece is priced as whole machines: all of its pieces have to be.

        pieces: (ENERGY, STORED) of different settlement periods. One that is not is the last that is looked at.
        """
        return not self.by_period and all(self._piece_is_whole(keys, stored) for keys, stored in pieces)

    def _piece_is_whole(self, keys: pl.DataFrame, stored: pl.DataFrame) -> bool:
        wanted = self._both_ways(keys.lazy(), self._terms(keys).lazy())
        return verdicts.priced_whole(wanted, stored.lazy(), self.reference.miners.lazy(), self.tolerance)

    def _both_ways(self, keys: pl.LazyFrame, rates: pl.LazyFrame) -> pl.LazyFrame:
        """What should be stored for the keys, and `whole_btc`, what whole machines would have mined."""
        miners = self.reference.miners.lazy()
        whole = calculations(keys, miners, rates, Fleet.WHOLE).select(*CALC_KEY, whole_btc="bitcoin_mined")
        return calculations(keys, miners, rates, self.fleet).join(whole, on=CALC_KEY, how="left")

    def _terms(self, keys: pl.DataFrame) -> pl.DataFrame:
        return self.reference.terms(keys.get_column("settlement_date").unique().to_list())

    def _known(self, terms: pl.DataFrame, keys: pl.LazyFrame) -> why.Known:
        """What a wrong value of the keys' periods may be right for."""
        subsidies = tuple(self.reference.subsidies.get_column("subsidy_btc"))
        difficulties = tuple(self.reference.epochs.get_column("difficulty").cast(pl.Float64))
        return why.Known(subsidies, difficulties, terms, self._grain(keys) if self.by_period else None)

    def _grain(self, keys: pl.LazyFrame) -> pl.DataFrame:
        """Per settlement period and miner model the share of the period's energy that one machine takes."""
        machine_mwh = pl.col("power_w") / W_PER_MW * HOURS_PER_PERIOD
        periods = keys.group_by(PERIOD).agg(period_mwh=pl.col("energy_mwh").sum())
        rows = periods.join(self.reference.miners.lazy(), how="cross")
        return rows.select(*PERIOD, "miner_model", grain=machine_mwh / pl.col("period_mwh")).collect()
