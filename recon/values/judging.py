"""The verdict on stored rows, by what the reference data make of their keys."""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

from recon.core.price import calculations
from recon.core.schema import CALC_KEY
from recon.core.settings import Fleet
from recon.postgres.layout import Layout
from recon.postgres.session import Session
from recon.postgres.tables import read_values
from recon.reference.reference import Reference
from recon.values import verdicts as values_verdicts
from recon.values.tolerance import Tolerance
from recon.values.verdicts import judge_doubtful


def judge(
    session: Session,
    layout: Layout,
    reference: Reference,
    fleet: Fleet,
    keys: pl.DataFrame,
    where: dict[str, str],
    tolerance: Tolerance,
    *,
    named: bool = True,
    whole_dates: bool = True,
) -> pl.DataFrame:
    """audit.judge for what the tables hold within a scope; keys: its ENERGY.

    named: with the rows' `row_id`. whole_dates: see `verdicts`.
    """
    stored = read_values(session, layout, where, named=named)
    return verdicts(keys, stored, reference, fleet, tolerance, whole_dates=whole_dates)


def verdicts(
    keys: pl.DataFrame,
    stored: pl.DataFrame,
    reference: Reference,
    fleet: Fleet,
    tolerance: Tolerance,
    *,
    whole_dates: bool = True,
) -> pl.DataFrame:
    """audit.judge with what the reference data make of the keys (ENERGY).

    Only the rows that one join does not settle are looked at more closely.
    whole_dates: whether dates may prove to be priced as whole machines; of some settlement periods of a date, what
    `priced_whole` says of all of them.
    """
    miners, terms = reference.miners.lazy(), _terms(keys, reference)

    def look(rows: pl.DataFrame) -> pl.DataFrame:
        periods = rows.lazy().select("settlement_date", "settlement_period").unique()
        some = keys.lazy().join(periods, on=["settlement_date", "settlement_period"], how="semi")
        wanted = _both_ways(some, miners, terms, fleet)
        return values_verdicts.judge(wanted, rows.lazy(), miners, tolerance, whole_dates=whole_dates).collect()

    return judge_doubtful(calculations(keys.lazy(), miners, terms, fleet), stored, look, tolerance)


def priced_whole(
    pieces: Iterable[tuple[pl.DataFrame, pl.DataFrame]], reference: Reference, fleet: Fleet, tolerance: Tolerance
) -> bool:
    """Whether a date that is judged piece by piece is priced as whole machines: all of its pieces have to be.

    pieces: (ENERGY, audit.STORED) of different settlement periods. One that is not is the last that is looked at.
    """
    miners = reference.miners.lazy()

    def whole(keys: pl.DataFrame, stored: pl.DataFrame) -> bool:
        wanted = _both_ways(keys.lazy(), miners, _terms(keys, reference), fleet)
        return values_verdicts.priced_whole(wanted, stored.lazy(), miners, tolerance)

    return fleet is not Fleet.WHOLE and all(whole(keys, stored) for keys, stored in pieces)


def _both_ways(keys: pl.LazyFrame, miners: pl.LazyFrame, terms: pl.LazyFrame, fleet: Fleet) -> pl.LazyFrame:
    """What should be stored for the keys, and `whole_btc`, what whole machines would have mined."""
    whole = calculations(keys, miners, terms, Fleet.WHOLE).select(*CALC_KEY, whole_btc="bitcoin_mined")
    return calculations(keys, miners, terms, fleet).join(whole, on=CALC_KEY, how="left")


def _terms(keys: pl.DataFrame, reference: Reference) -> pl.LazyFrame:
    return reference.terms(keys.get_column("settlement_date").unique().to_list()).lazy()
