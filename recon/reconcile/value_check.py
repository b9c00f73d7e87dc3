"""Every stored value of a window against what it should be: chunk by chunk, side by side, read-only."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial
from typing import Any

import polars as pl

from recon.core.chunks import CHUNK_ROWS, chunks, halves, halving, on_timeout
from recon.core.price import calculations
from recon.core.schema import CALC_KEY, CALC_KEY_SCHEMA, PERIOD, SIDE, FrameSchema
from recon.postgres.layout import Layout
from recon.postgres.pool import Pool
from recon.postgres.profile import stage
from recon.postgres.scope import Scope
from recon.postgres.tables import Tables
from recon.reconcile import readback
from recon.reconcile.engine import Engine, Retrying, Work, threads
from recon.reconcile.request import Job
from recon.reconcile.status import Status
from recon.reconcile.watcher import Compared, unwatched
from recon.values.judging import Judge
from recon.values.repairs import to_change
from recon.values.summary import Shares, Values, combined, folded, right, traces
from recon.values.tolerance import Tolerance

TO_CHANGE: FrameSchema = {
    **CALC_KEY_SCHEMA,
    "stored_btc": pl.Float64,
    "expected_btc": pl.Float64,
    "verdict": pl.String,
    "action": pl.String,
}
"""One row per stored row to replace or remove (`action`)."""
CHANGES_PER_DATE: FrameSchema = {"settlement_date": pl.Date, "rows": pl.Int64, "removed": pl.Int64}
"""One row per settlement date with rows to change: how many, and how many of them are to be removed."""


_Changes = tuple[pl.DataFrame, set[date]]
BY_PERIOD = [*PERIOD, "miner_model"]


@dataclass(frozen=True)
class ValueCheck:
    """Options of a value check: tolerance, connections, progress callback, engine; deep: row by row on every date."""

    tolerance: Tolerance = field(default_factory=Tolerance)
    workers: int = 2
    progress: Compared = unwatched
    engine: Engine = threads
    deep: bool = False


@dataclass(frozen=True)
class Fold:
    """What is kept of judged rows: of each piece (some whole dates, or some settlement periods of a larger one), and
    what the pieces of some whole dates come to.

    right: what is kept of a piece whose values are known to be right (summary.right). named: whether the rows have to
    have their `row_id`.
    """

    piece: Callable[[pl.DataFrame, Shares], Any]
    dates: Callable[[Sequence[Any]], Any]
    right: Callable[[pl.DataFrame], Any]
    named: bool = True


@dataclass(frozen=True)
class _ChunkJudge:
    """How chunks are judged. larger: the dates that have more rows than CHUNK_ROWS."""

    judge: Judge
    layout: Layout
    fold: Fold
    larger: frozenset[date]
    deep: bool


def with_values(job: Job, layout: Layout, status: Status, check: ValueCheck) -> Status:
    """The status with the verdict on every stored value."""
    return replace(status, values=judge_values(job, layout, status, check))


def judge_values(job: Job, layout: Layout, status: Status, check: ValueCheck) -> Values:
    """The verdict on every stored row of the status's window."""
    fold = Fold(traces, partial(folded, reference=job.reference), right, named=not layout.unique_index)
    return combined(list(judged(job, layout, status, fold, check)), check.tolerance)


def rows_to_change(
    job: Job, layout: Layout, status: Status, repairs: frozenset[str], check: ValueCheck, *, listed: bool
) -> pl.DataFrame:
    """TO_CHANGE: every stored row that the repairs would replace or remove (repairs.to_change), in order of key.

    listed: else CHANGES_PER_DATE: a table's worth of rows is then neither held nor sent.
    """
    schema = TO_CHANGE if listed else CHANGES_PER_DATE
    fold = Fold(partial(_rows_to_change, repairs, listed), _unless_blocked, partial(_no_rows, listed))
    rows: pl.DataFrame = pl.concat([pl.DataFrame(schema=schema), *judged(job, layout, status, fold, check)])
    return rows.sort(CALC_KEY) if listed else rows.group_by("settlement_date").agg(pl.col("rows", "removed").sum())


def judged(job: Job, layout: Layout, status: Status, fold: Fold, check: ValueCheck) -> Iterator[Any]:
    """The `fold` of every chunk of whole dates, as the chunks finish.

    Each chunk is read as of one moment; one that times out is halved. A date that is larger than a chunk is read by
    settlement periods. `check.progress` is called with the dates done.
    """
    dates = _dates_with_rows(status)
    batches = list(chunks(dates, max_dates=10_000, max_rows=CHUNK_ROWS))
    larger = frozenset(day for day, rows in dates if rows > CHUNK_ROWS)
    task = partial(_chunk, _ChunkJudge(job.judge(check.tolerance), layout, fold, larger, check.deep))
    total = sum(map(len, batches))
    with job.pool() as pool:
        for days, kept in check.engine(Work(task, batches, pool, check.workers)):
            yield from kept
            check.progress(len(days), total)


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
    if how.deep:
        yield _of_dates(how, tables, pieces)
        return
    due = _due(how, tables, days, pieces)
    sides = _compared(how, tables, Scope.of(days), readback.sum_totals([due]), ["settlement_date"])
    off = sorted(set(sides.filter("differs").get_column("settlement_date")))
    if len(off) < len(days):
        yield how.fold.dates([how.fold.right(_right(sides))])
    blocked = [day for day in off if day not in set(due.get_column("settlement_date"))]
    if blocked:
        yield _of_dates(how, tables, [Scope.of(blocked)])
    doubtful = [day for day in off if day not in blocked]
    if doubtful:
        due = due.filter(pl.col("settlement_date").is_in(doubtful))
        sides = _compared(how, tables, Scope.of(doubtful), due, PERIOD)
        yield _of_periods(how, tables, pieces if len(doubtful) == len(days) else [Scope.of(doubtful)], sides)


def _due(how: _ChunkJudge, tables: Tables, days: Sequence[date], pieces: Sequence[Scope]) -> pl.DataFrame:
    """What the rows of some dates come to by settlement period (readback.totals), worked out from the curtailment;
    nothing of dates whose difficulty is not known. pieces: by which the curtailment is read.
    """
    judge = how.judge
    rates = judge.reference.terms(list(days)).drop_nulls()
    known = rates.get_column("settlement_date").implode()
    lots = []
    for piece in pieces:
        keys = tables.energies(piece).lazy().filter(pl.col("settlement_date").is_in(known))
        rows = calculations(keys, judge.reference.miners.lazy(), rates.lazy(), judge.fleet)
        lots.append(readback.totals(rows.drop_nulls("bitcoin_mined").collect(), BY_PERIOD))
    return readback.sum_totals(lots, BY_PERIOD)


def _compared(how: _ChunkJudge, tables: Tables, scope: Scope, due: pl.DataFrame, of: list[str]) -> pl.DataFrame:
    """readback.compared of all rows of a scope. differs: whether anything is off on the date, or in the period, `of`.

    The server sums the hashes of their keys, and BTC weighted by these; the same sums are due. Where a row is wrong
    they are equal once in 2^30 times.
    """
    by_period = "settlement_period" in of
    stored = tables.stored_sums(scope, by_period=by_period)
    column = how.layout.stored_columns["difficulty"]
    sides = readback.compared(due, stored, column, BY_PERIOD if by_period else SIDE)
    return sides.with_columns(differs=pl.col("off").is_not_null().any().over(of))


def _right(sides: pl.DataFrame) -> pl.DataFrame:
    """What summary.right is given, of `_compared` sides that do not differ."""
    difficulties = {"stored_difficulty": pl.col("lowest"), "expected_difficulty": pl.col("difficulty")}
    firsts = {name: column.first().cast(pl.Float64) for name, column in difficulties.items()}
    return sides.filter(~pl.col("differs")).group_by(SIDE).agg(pl.col("rows").sum(), **firsts)


def _of_periods(how: _ChunkJudge, tables: Tables, pieces: Sequence[Scope], sides: pl.DataFrame) -> Any:
    """The fold of some whole dates, of which only the settlement periods are read that differ. A date that may be
    priced as whole machines is read whole: all of its rows decide that.
    """
    off = Scope.of_periods(sides.filter("differs"))
    some = [piece.within(off) for piece in pieces]
    if len(some) > 1:
        if _priced_whole(how, tables, some):
            return _of_dates(how, tables, pieces)
        kept = [_kept(how, tables, _judged_rows(how, tables, piece, whole_dates=False)) for piece in some]
        return how.fold.dates([how.fold.right(_right(sides)), *kept])
    rows = _judged_rows(how, tables, some[0], whole_dates=True)
    whole = rows.filter(pl.col("verdict") == "whole").get_column("settlement_date").unique().to_list()
    if whole:
        again = pl.col("settlement_date").is_in(whole)
        rows = pl.concat([rows.filter(~again), _judged_rows(how, tables, Scope.of(whole), whole_dates=True)])
        sides = sides.filter(~again)
    return how.fold.dates([how.fold.right(_right(sides)), _kept(how, tables, rows)])


def _priced_whole(how: _ChunkJudge, tables: Tables, pieces: Sequence[Scope]) -> bool:
    return how.judge.priced_whole((tables.keys(piece), tables.values(piece)) for piece in pieces)


def _of_dates(how: _ChunkJudge, tables: Tables, pieces: Sequence[Scope]) -> Any:
    """The fold of some whole dates, read at once, or of one date that is larger than a chunk, piece by piece."""
    whole = len(pieces) == 1 or _priced_whole(how, tables, pieces)
    return how.fold.dates([_kept(how, tables, _judged_rows(how, tables, piece, whole_dates=whole)) for piece in pieces])


def _judged_rows(how: _ChunkJudge, tables: Tables, piece: Scope, *, whole_dates: bool) -> pl.DataFrame:
    return how.judge.stored(tables, tables.keys(piece), piece, named=how.fold.named, whole_dates=whole_dates)


def _kept(how: _ChunkJudge, tables: Tables, rows: pl.DataFrame) -> Any:
    return how.fold.piece(rows, lambda some: tables.source_rows(Scope.of_periods(some)))


def _rows_to_change(repairs: frozenset[str], listed: bool, rows: pl.DataFrame, _: Shares) -> _Changes:
    """The rows of a piece to change, or their number by date; and the dates that are blocked."""
    asked = to_change(rows.lazy(), repairs)
    changes = asked.select(TO_CHANGE.keys()) if listed else per_date(asked)
    return changes.collect(), set(rows.filter(pl.col("verdict") == "blocked").get_column("settlement_date"))


def _no_rows(listed: bool, _: pl.DataFrame) -> _Changes:
    return pl.DataFrame(schema=TO_CHANGE if listed else CHANGES_PER_DATE), set()


def per_date(rows: pl.LazyFrame) -> pl.LazyFrame:
    """CHANGES_PER_DATE from TO_CHANGE."""
    removed = (pl.col("action") == "remove").sum().cast(pl.Int64)
    return rows.group_by("settlement_date").agg(rows=pl.len().cast(pl.Int64), removed=removed)


def _unless_blocked(pieces: Sequence[_Changes]) -> pl.DataFrame:
    """The rows to change of some whole dates; none of a date that is blocked in any of its pieces."""
    blocked = sorted(set().union(*(dates for _, dates in pieces)))
    return pl.concat([rows for rows, _ in pieces]).filter(~pl.col("settlement_date").is_in(blocked))
