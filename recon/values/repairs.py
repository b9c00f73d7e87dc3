"""Repairs: which stored rows are replaced or removed, and doing so, each row kept in the quarantine first."""

from __future__ import annotations

import polars as pl

from recon.core.price import calculations
from recon.core.schema import BTC, CALC_KEY, CALC_KEY_SCHEMA, FrameSchema
from recon.postgres.tables import Tables
from recon.values.changes import Changes
from recon.values.judging import Judge
from recon.values.verdicts import ORPHANS, WRONG

DONE: FrameSchema = {
    "row_id": pl.String,
    **CALC_KEY_SCHEMA,
    "verdict": pl.String,
    "action": pl.String,
    "bitcoin_mined": BTC,
    "difficulty": pl.Decimal(38, 8),
}
"""One row per stored row that a repair replaced or removed (`action`), with the values that replaced ones have now."""


def to_change(judged: pl.LazyFrame, repairs: frozenset[str]) -> pl.LazyFrame:
    """The stored rows that these repairs remove or replace, each with its verdict as the reason.

    `wrong` replaces the values of every row of a pair none of which agrees, `duplicate` removes the surplus rows of a
    pair (and replaces the values of the last one where none agrees), `orphan` removes rows without curtailment and of
    unknown models; `action` says which: replace or remove. Rows of dates without difficulty are left alone.
    """
    wrong, twice = pl.col("verdict").is_in(WRONG), pl.col("verdict") == "duplicate"
    replaced = (wrong | twice) & wrong.any().over(CALC_KEY) & ("wrong" in repairs)
    surplus = (wrong | twice) & twice.any().over(CALC_KEY) & ("duplicate" in repairs)
    orphan = pl.col("verdict").is_in(ORPHANS) & ("orphan" in repairs)
    dated = ~(pl.col("verdict") == "blocked").any().over("settlement_date")
    removed = orphan | (twice & ("duplicate" in repairs))
    action = pl.when(removed).then(pl.lit("remove")).otherwise(pl.lit("replace"))
    asked = judged.with_columns(action=action, asked=(replaced | surplus | orphan) & dated)
    return asked.filter(pl.col("asked") & (pl.col("verdict") != "ok")).drop("asked")


def apply(
    tables: Tables, run_id: str, judge: Judge, repairs: frozenset[str], keys: pl.DataFrame, judged: pl.DataFrame
) -> pl.DataFrame:
    """Replaces the values of wrong rows in place and removes surplus rows, each kept whole before; returns DONE.

    To be called inside the chunk's transaction. judged: the verdicts on all rows of some whole dates; keys: their
    ENERGY. A row that is no longer as it was read stops the chunk, and so does a table that keeps a row as it was.
    """
    rows = to_change(judged.lazy(), repairs).collect()
    if rows.is_empty():
        return pl.DataFrame(schema=DONE)
    done = _with_values(rows, keys, judge)
    texts = done.with_columns(pl.col("bitcoin_mined", "difficulty").cast(pl.String))
    rewritten, removed = (texts.filter(pl.col("action") == action) for action in ("replace", "remove"))
    changes = Changes.begin(tables, run_id)
    changes.keep(texts)
    if not removed.is_empty():
        changes.remove(removed)
    if not rewritten.is_empty():
        changes.note_after(rewritten, changes.replace(rewritten))
    return done


def replaced(done: pl.DataFrame) -> pl.DataFrame:
    """One row per settlement date and miner model of DONE: how many `rows` were replaced, and their BTC now."""
    rows = done.filter(pl.col("action") == "replace").group_by("settlement_date", "miner_model")
    return rows.agg(rows=pl.len().cast(pl.Int64), btc=pl.col("bitcoin_mined").sum())


def _with_values(rows: pl.DataFrame, keys: pl.DataFrame, judge: Judge) -> pl.DataFrame:
    """DONE for the rows to change: those to be replaced with the exact values that they should have."""
    rates = judge.reference.terms(keys.get_column("settlement_date").unique().to_list())
    wanted = calculations(keys.lazy(), judge.reference.miners.lazy(), rates.lazy(), judge.fleet)
    due = rows.lazy().join(wanted.select(*CALC_KEY, "bitcoin_mined", "difficulty"), on=CALC_KEY, how="left")
    asked = pl.when(pl.col("action") == "replace")
    values = (asked.then(pl.col(name)).alias(name) for name in ("bitcoin_mined", "difficulty"))
    return due.with_columns(*values).select(DONE.keys()).cast(pl.Schema(DONE)).sort("row_id").collect()
