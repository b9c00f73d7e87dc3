"""Whether what the server holds is what was computed, before a chunk is committed."""

from __future__ import annotations

import polars as pl

from recon.gaps import SIDE
from recon.schema import CALC_KEY

FINER_THAN_SATOSHI = pl.Decimal(38, 18)
"""So that a fraction of a satoshi that someone's trigger added does not vanish in a cast."""


def written_sums(rows: pl.DataFrame) -> pl.DataFrame:
    """One row per settlement date and miner model of the rows to write: how many, and their exact BTC sum."""
    return rows.group_by(SIDE).agg(new=pl.len().cast(pl.Int64), bitcoin=pl.col("bitcoin_mined").sum())


def stored_sums(done: pl.DataFrame) -> pl.DataFrame:
    """One row per settlement date and miner model of the rows that were there: rows and distinct pairs."""
    return done.group_by(SIDE).agg(rows=pl.len().cast(pl.Int64), pairs=pl.struct(CALC_KEY).n_unique().cast(pl.Int64))


def discrepancies(done: pl.DataFrame, new: pl.DataFrame, after: pl.DataFrame) -> list[str]:
    """What does not add up: one line per settlement date and miner model; empty when all is exact.

    done: CALC_KEYs stored before; new: written_sums of what was written; after: per date and model `rows`, distinct
    `pairs`, rows `written` by this transaction and their `bitcoin` sum, read back from the server.
    """
    sides = (
        stored_sums(done)
        .join(new, on=SIDE, how="full", coalesce=True, nulls_equal=True)
        .join(
            after.rename({"rows": "rows_after", "pairs": "pairs_after", "bitcoin": "bitcoin_after"}),
            on=SIDE,
            how="full",
            coalesce=True,
            nulls_equal=True,
        )
    )
    counts = ("rows", "pairs", "new", "rows_after", "pairs_after", "written")
    sides = sides.with_columns(
        pl.col(counts).fill_null(0),
        bitcoin=pl.col("bitcoin").fill_null(0),
        bitcoin_after=pl.col("bitcoin_after").cast(FINER_THAN_SATOSHI, strict=False),
    )
    exact = (
        (pl.col("rows") + pl.col("new") == pl.col("rows_after"))
        & (pl.col("pairs") + pl.col("new") == pl.col("pairs_after"))
        & (pl.col("new") == pl.col("written"))
        & (pl.col("bitcoin") == pl.col("bitcoin_after"))
    )
    wrong = sides.filter(~exact.fill_null(False)).sort(SIDE)
    return [
        f"{row['settlement_date']} {row['miner_model']}: {row['rows']} rows and {row['new']} new should be "
        f"{row['rows'] + row['new']} with {row['bitcoin']} BTC added; the table has {row['rows_after']} rows in "
        f"{row['pairs_after']} pairs, {row['written']} of them ours with {row['bitcoin_after']} BTC"
        for row in wrong.to_dicts()
    ]
