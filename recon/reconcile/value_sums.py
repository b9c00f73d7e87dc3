"""The values of whole dates by their sums: which dates are all right is known before any row is read.

The server sums BTC, weighted by the hashes of their keys; the same sums are worked out from the curtailment. A date
with a wrong row has the right sums once in 2^30 times.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from recon.core import gaps
from recon.core.chunks import CHUNK_ROWS, period_groups
from recon.core.price import calculations
from recon.core.schema import PERIOD, FrameSchema
from recon.postgres.layout import Column
from recon.postgres.scope import Scope
from recon.postgres.tables import Tables
from recon.reconcile import readback
from recon.values.judging import Judge

AGREED: FrameSchema = {"settlement_date": pl.Date, "miner_model": pl.String, "rows": pl.Int64}
"""One row per settlement date and miner model of dates all of whose values are right."""


@dataclass(frozen=True)
class Due:
    """What should be there, of some whole dates or parts of one. source: the curtailment by date, as a survey has it.
    totals: readback.totals of the calculations of all dates that can be priced.
    """

    source: pl.DataFrame
    totals: pl.DataFrame

    @classmethod
    def read(cls, tables: Tables, scope: Scope, judge: Judge) -> Due:
        """Of a scope: whole settlement periods."""
        rows = tables.energies(scope, periods=judge.by_period)
        priceable = pl.col("key_hash").is_not_null()
        keys = rows.filter(priceable)
        counted = rows.group_by("settlement_date").agg(
            pl.col("source_rows").sum(), invalid=pl.col("source_rows").filter(~priceable).sum()
        )
        by_date = counted.join(gaps.summed(keys, ["settlement_date"]), on="settlement_date", how="left")
        source = by_date.with_columns(pl.col("keys").fill_null(0), pl.col("checksum").fill_null("0"))
        return cls(source, readback.sum_totals([_totals(some, judge) for some in _slices(keys, judge)]))


def all_right(due: pl.DataFrame, stored: pl.DataFrame, difficulty: Column) -> pl.DataFrame:
    """AGREED: the dates whose rows are exactly those that should be there.

    due: readback.totals. stored: STORED_SUMS. difficulty: the column, as which holds difficulties they count.
    """
    sides = readback.compared(due, stored, difficulty)
    differs = pl.col("off").is_not_null().any().over("settlement_date")
    return sides.filter(~differs).select(AGREED.keys())


def _totals(keys: pl.DataFrame, judge: Judge) -> pl.DataFrame:
    rates = judge.reference.terms(keys.get_column("settlement_date").unique().to_list()).drop_nulls()
    known = keys.lazy().join(rates.lazy().select("settlement_date"), on="settlement_date", how="semi")
    rows = calculations(known, judge.reference.miners.lazy(), rates.lazy(), judge.fleet)
    return readback.totals(rows.drop_nulls("bitcoin_mined").collect())


def _slices(keys: pl.DataFrame, judge: Judge) -> Iterator[pl.DataFrame]:
    """The keys so many at a time that their calculations fill a chunk; whole settlement periods where these count."""
    most = CHUNK_ROWS // len(judge.reference.models)
    if not judge.by_period:
        yield from keys.iter_slices(most)
        return
    keys = keys.sort(PERIOD)
    sizes = keys.group_by(PERIOD, maintain_order=True).len().get_column("len")
    start = 0
    for group in period_groups(enumerate(sizes), most):
        height = sum(sizes[place or 0] for place in group)
        yield keys.slice(start, height)
        start += height
