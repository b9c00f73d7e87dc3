"""Mending what is stored: wrong rows get their values anew where they are, surplus rows are removed. Each is copied
whole to the quarantine in the same transaction.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import polars as pl

from recon import audit
from recon.bitcoin import calculations
from recon.changes import Changes
from recon.config import Fleet, Settings
from recon.database import Session
from recon.parameters import Mending
from recon.reference import Reference
from recon.schema import BTC, CALC_KEY, CALC_KEY_SCHEMA, FrameSchema
from recon.tables import Layout, read_values


def judge(
    session: Session,
    layout: Layout,
    reference: Reference,
    fleet: Fleet,
    keys: pl.DataFrame,
    where: dict[str, str],
    tolerance: audit.Tolerance,
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
    tolerance: audit.Tolerance,
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
        return audit.judge(wanted, rows.lazy(), miners, tolerance, whole_dates=whole_dates).collect()

    return audit.judge_doubtful(calculations(keys.lazy(), miners, terms, fleet), stored, look, tolerance)


def priced_whole(
    pieces: Iterable[tuple[pl.DataFrame, pl.DataFrame]], reference: Reference, fleet: Fleet, tolerance: audit.Tolerance
) -> bool:
    """Whether a date that is judged piece by piece is priced as whole machines: all of its pieces have to be.

    pieces: (ENERGY, audit.STORED) of different settlement periods. One that is not is the last that is looked at.
    """
    miners = reference.miners.lazy()

    def whole(keys: pl.DataFrame, stored: pl.DataFrame) -> bool:
        wanted = _both_ways(keys.lazy(), miners, _terms(keys, reference), fleet)
        return audit.priced_whole(wanted, stored.lazy(), miners, tolerance)

    return fleet is not Fleet.WHOLE and all(whole(keys, stored) for keys, stored in pieces)


def _both_ways(keys: pl.LazyFrame, miners: pl.LazyFrame, terms: pl.LazyFrame, fleet: Fleet) -> pl.LazyFrame:
    """What should be stored for the keys, and `whole_btc`, what whole machines would have mined."""
    whole = calculations(keys, miners, terms, Fleet.WHOLE).select(*CALC_KEY, whole_btc="bitcoin_mined")
    return calculations(keys, miners, terms, fleet).join(whole, on=CALC_KEY, how="left")


def _terms(keys: pl.DataFrame, reference: Reference) -> pl.LazyFrame:
    return reference.terms(keys.get_column("settlement_date").unique().to_list()).lazy()


DONE: FrameSchema = {
    "row_id": pl.String,
    **CALC_KEY_SCHEMA,
    "verdict": pl.String,
    "action": pl.String,
    "bitcoin_mined": BTC,
    "difficulty": pl.Decimal(38, 8),
}
"""One row per stored row that a repair replaced or removed (`action`), with the values that replaced ones have now."""


class Repairing(Protocol):
    """What a job (`load.Job`) says of its repairs."""

    @property
    def run_id(self) -> str:
        """Under which rows are kept."""

    @property
    def settings(self) -> Settings:
        """With the fleet by which rows are priced."""

    @property
    def reference(self) -> Reference:
        """By which rows are priced."""

    @property
    def mending(self) -> Mending:
        """What is repaired."""


def apply(session: Session, layout: Layout, job: Repairing, judged: pl.DataFrame, keys: pl.DataFrame) -> pl.DataFrame:
    """Replaces the values of wrong rows in place and removes surplus rows, each kept whole before; DONE comes back.

    To be called inside the chunk's transaction. judged: what `judge` says of whole dates; keys: their ENERGY. A row
    that is no longer as it was read stops the chunk, and so does a table that keeps a row as it was.
    """
    found = audit.doomed(judged.lazy(), job.mending.repairs).collect()
    if found.is_empty():
        return pl.DataFrame(schema=DONE)
    done = _with_values(found, keys, job)
    texts = done.with_columns(pl.col("bitcoin_mined", "difficulty").cast(pl.String))
    rewritten, removed = (texts.filter(pl.col("action") == action) for action in ("replace", "remove"))
    changes = Changes.begin(session, layout, job.run_id)
    changes.keep(texts)
    if not removed.is_empty():
        changes.remove(removed)
    if not rewritten.is_empty():
        changes.note_after(rewritten, changes.replace(rewritten))
    return done


def replaced(done: pl.DataFrame) -> pl.DataFrame:
    """One row per settlement date and miner model of DONE: how many rows were replaced (`new`), and their BTC now."""
    rows = done.filter(pl.col("action") == "replace").group_by("settlement_date", "miner_model")
    return rows.agg(new=pl.len().cast(pl.Int64), btc=pl.col("bitcoin_mined").sum())


def _with_values(found: pl.DataFrame, keys: pl.DataFrame, job: Repairing) -> pl.DataFrame:
    """DONE for the rows of audit.doomed: those to be replaced with the exact values that they should have."""
    terms = job.reference.terms(keys.get_column("settlement_date").unique().to_list())
    wanted = calculations(keys.lazy(), job.reference.miners.lazy(), terms.lazy(), job.settings.fleet)
    due = found.lazy().join(wanted.select(*CALC_KEY, "bitcoin_mined", "difficulty"), on=CALC_KEY, how="left")
    asked = pl.when(pl.col("action") == "replace")
    values = (asked.then(pl.col(name)).alias(name) for name in ("bitcoin_mined", "difficulty"))
    return due.with_columns(*values).select(DONE.keys()).cast(pl.Schema(DONE)).sort("row_id").collect()
