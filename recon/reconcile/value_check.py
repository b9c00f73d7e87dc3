"""Every stored value of a window against what it should be: chunk by chunk, side by side, read-only."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from typing import Any

import polars as pl

from recon.core import gaps
from recon.core.chunks import CHUNK_ROWS, chunks, halves, halving, on_timeout, period_groups
from recon.core.price import calculations
from recon.core.schema import CALC_KEY, CALC_KEY_SCHEMA, CAUSE, PERIOD, FrameSchema
from recon.postgres.layout import Layout
from recon.postgres.pool import Pool
from recon.postgres.profile import stage
from recon.postgres.scope import Scope
from recon.postgres.tables import Tables
from recon.reconcile import readback
from recon.reconcile.engine import Retrying, Work
from recon.reconcile.request import Job, ValueCheck
from recon.reconcile.status import Status
from recon.values.judging import Judge
from recon.values.repairs import to_change
from recon.values.summary import Shares, Values, agreeing, combined, folded, traces

TO_CHANGE: FrameSchema = {
    **CALC_KEY_SCHEMA,
    "stored_btc": pl.Float64,
    "expected_btc": pl.Float64,
    "verdict": pl.String,
    "cause": CAUSE,
    "action": pl.String,
}
"""One row per stored row to replace or remove (`action`), and why one that is wrong is so (`cause`)."""
CHANGES_PER_DATE: FrameSchema = {"settlement_date": pl.Date, "rows": pl.Int64, "removed": pl.Int64}
"""One row per settlement date with rows to change: how many, and how many of them are to be removed."""


AGREED: FrameSchema = {"settlement_date": pl.Date, "miner_model": pl.String, "rows": pl.Int64}
"""One row per settlement date and miner model of dates all of whose values are right."""


@dataclass(frozen=True)
class Fold:
    """What is kept of judged rows: of each piece (some whole dates, or some settlement periods of a larger one), and
    what the pieces of some whole dates come to.

    agreed: the same of dates all of whose values are right, from one row per settlement date and miner model with
    their number (`rows`). named: whether the rows have to have their `row_id`.
    """

    piece: Callable[[pl.DataFrame, Shares], Any]
    dates: Callable[[Sequence[Any]], Any]
    agreed: Callable[[pl.DataFrame], Any]
    named: bool = True


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


@dataclass(frozen=True)
class _ChunkJudge:
    """How chunks are judged. larger: the dates that have more rows than CHUNK_ROWS. row_by_row: whether sums would not
    tell more.
    """

    judge: Judge
    layout: Layout
    fold: Fold
    larger: frozenset[date]
    row_by_row: bool


def with_values(job: Job, layout: Layout, status: Status, check: ValueCheck) -> Status:
    """The status with the verdict on every stored value."""
    return replace(status, values=judge_values(job, layout, status, check))


def judge_values(job: Job, layout: Layout, status: Status, check: ValueCheck) -> Values:
    """The verdict on every stored row of the status's window."""
    fold = Fold(traces, partial(folded, reference=job.reference), agreeing, named=not layout.unique_index)
    return combined(list(judged(job, layout, status, fold, check)), check.tolerance, job.models)


def rows_to_change(
    job: Job, layout: Layout, status: Status, repairs: frozenset[str], check: ValueCheck, *, listed: bool
) -> pl.DataFrame:
    """TO_CHANGE: every stored row that the repairs would replace or remove (repairs.to_change), in order of key.

    listed: else CHANGES_PER_DATE: a table's worth of rows is then neither held nor sent.
    """
    schema = TO_CHANGE if listed else CHANGES_PER_DATE
    fold = Fold(partial(_rows_to_change, repairs, listed), _unless_blocked, partial(_none_of, listed))
    rows: pl.DataFrame = pl.concat([pl.DataFrame(schema=schema), *judged(job, layout, status, fold, check)])
    return rows.sort(CALC_KEY) if listed else rows.group_by("settlement_date").agg(pl.col("rows", "removed").sum())


def judged(job: Job, layout: Layout, status: Status, fold: Fold, check: ValueCheck) -> Iterator[Any]:
    """The `fold` of every chunk of whole dates, as the chunks finish.

    Each chunk is read as of one moment; one that times out is halved. A date that is larger than a chunk is read by
    settlement periods. `check.progress` is called with the dates done.
    """
    agreed = pl.DataFrame(schema=AGREED) if check.agreed is None else check.agreed
    settled = set(agreed.get_column("settlement_date"))
    every = _dates_with_rows(status)
    dates = [(day, rows) for day, rows in every if day not in settled]
    if settled:
        yield fold.agreed(agreed)
        check.progress(len(every) - len(dates), len(every))
    batches = list(chunks(dates, max_dates=10_000, max_rows=CHUNK_ROWS))
    larger = frozenset(day for day, rows in dates if rows > CHUNK_ROWS)
    row_by_row = check.deep or check.agreed is not None
    task = partial(_chunk, _ChunkJudge(job.judge(check.tolerance), layout, fold, larger, row_by_row))
    with job.pool() as pool:
        for days, kept in check.engine(Work(task, batches, pool, check.workers)):
            yield from kept
            check.progress(len(days), len(every))


def _dates_with_rows(status: Status) -> list[tuple[date, int]]:
    """The dates of a window on which anything is stored, with their rows."""
    rows = status.dates.select("settlement_date", pl.sum_horizontal("expected", "duplicate", "orphan").alias("rows"))
    stored = status.dates.filter(pl.sum_horizontal("matched", "duplicate", "orphan") > 0)
    return list(rows.join(stored, on="settlement_date", how="semi").sort("settlement_date").iter_rows())


def _chunk(how: _ChunkJudge, pool: Pool, days: Sequence[date], retrying: Retrying) -> list[Any]:
    def read(some: Sequence[date]) -> Any:
        with pool.session() as session, stage("values"), session.transaction(read_only=True, snapshot=True):
            return list(_of_chunk(how, Tables(session, how.layout), some))

    return [kept for part in halving(read, days, on_timeout(halves), retrying) for kept in part]


def _of_chunk(how: _ChunkJudge, tables: Tables, days: Sequence[date]) -> Iterator[Any]:
    """The fold of the dates that agree by their sums, and of the others, which are read row by row."""
    pieces = [Scope.of(days)]
    if how.larger.intersection(days):  # and then it is alone
        pieces = tables.pieces(days[0], len(how.judge.reference.models), CHUNK_ROWS)
    right = pl.DataFrame(schema=AGREED) if how.row_by_row else _agreeing_dates(how, tables, days, pieces)
    if not right.is_empty():
        yield how.fold.agreed(right)
    settled = set(right.get_column("settlement_date"))
    others = [day for day in days if day not in settled]
    if others:
        yield _of_dates(how, tables, pieces if len(others) == len(days) else [Scope.of(others)])


def _agreeing_dates(how: _ChunkJudge, tables: Tables, days: Sequence[date], pieces: Sequence[Scope]) -> pl.DataFrame:
    """AGREED of some whole dates. pieces: by which the curtailment is read."""
    due = readback.sum_totals([Due.read(tables, piece, how.judge).totals for piece in pieces])
    return all_right(due, tables.stored_sums(Scope.of(days)), how.layout)


def _of_dates(how: _ChunkJudge, tables: Tables, pieces: Sequence[Scope]) -> Any:
    """The fold of some whole dates, read at once, or of one date that is larger than a chunk, piece by piece."""
    whole = True
    if len(pieces) > 1:
        whole = how.judge.priced_whole((tables.keys(piece), tables.values(piece)) for piece in pieces)

    def kept(piece: Scope) -> Any:
        rows = how.judge.stored(tables, tables.keys(piece), piece, named=how.fold.named, whole_dates=whole)
        return how.fold.piece(rows, lambda some: tables.source_rows(Scope.of_periods(some)))

    return how.fold.dates([kept(piece) for piece in pieces])


def _rows_to_change(repairs: frozenset[str], listed: bool, rows: pl.DataFrame, _: Shares) -> tuple[pl.DataFrame, bool]:
    """The rows of a piece to change, or their number by date; and whether it has rows of a blocked date."""
    asked, blocked = to_change(rows.lazy(), repairs), (rows.get_column("verdict") == "blocked").any()
    if listed:
        return asked.select(TO_CHANGE.keys()).collect(), blocked
    return per_date(asked).collect(), blocked


def _none_of(listed: bool, _: pl.DataFrame) -> pl.DataFrame:
    return pl.DataFrame(schema=TO_CHANGE if listed else CHANGES_PER_DATE)


def per_date(rows: pl.LazyFrame) -> pl.LazyFrame:
    """CHANGES_PER_DATE from TO_CHANGE."""
    removed = (pl.col("action") == "remove").sum().cast(pl.Int64)
    return rows.group_by("settlement_date").agg(rows=pl.len().cast(pl.Int64), removed=removed)


def _unless_blocked(pieces: Sequence[tuple[pl.DataFrame, bool]]) -> pl.DataFrame:
    """The rows to change of some whole dates. Several pieces are of one date, which is blocked if any of them is."""
    blocked = len(pieces) > 1 and any(blocked for _, blocked in pieces)
    rows = pl.concat([rows for rows, _ in pieces])
    return rows.clear() if blocked else rows


def all_right(due: pl.DataFrame, stored: pl.DataFrame, layout: Layout) -> pl.DataFrame:
    """AGREED: the dates whose rows are exactly those that should be there. due: readback.totals. stored: STORED_SUMS.

    The server sums the hashes of their keys, and BTC weighted by these; the same sums are worked out from the
    curtailment. A date with a wrong row has the right sums once in 2^30 times.
    """
    sides = readback.compared(due, stored, layout.stored_columns["difficulty"])
    differs = pl.col("off").is_not_null().any().over("settlement_date")
    return sides.filter(~differs).select(AGREED.keys())


def _totals(keys: pl.DataFrame, judge: Judge) -> pl.DataFrame:
    rates = judge.reference.terms(keys.get_column("settlement_date").unique().to_list()).drop_nulls()
    known = keys.lazy().join(rates.lazy().select("settlement_date"), on="settlement_date", how="semi")
    rows = calculations(known, judge.reference.miners.lazy(), rates.lazy(), judge.fleet)
    return readback.totals(rows.drop_nulls("bitcoin_mined").collect())


def _slices(keys: pl.DataFrame, judge: Judge) -> Iterator[pl.DataFrame]:
    """The keys so many at a time that their calculations fill a chunk; whole settlement periods where these count."""
    most = max(1, CHUNK_ROWS // len(judge.reference.models))
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
