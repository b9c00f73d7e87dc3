"""Every stored value of a window against what it should be: chunk by chunk, side by side, read-only."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial
from typing import Any

import polars as pl

from recon.core.chunks import chunks, halves
from recon.core.errors import DatabaseError
from recon.core.schema import CALC_KEY, CALC_KEY_SCHEMA, FrameSchema
from recon.core.settings import Settings
from recon.postgres.layout import Layout
from recon.postgres.pool import Pool
from recon.postgres.profile import stage
from recon.postgres.scope import scope, scope_of_periods
from recon.postgres.session import Session
from recon.postgres.tables import pieces_of, read_keys, read_source_rows, read_values
from recon.reconcile.engine import Engine, Retrying, Work, threads
from recon.reconcile.status import Status
from recon.reconcile.watcher import Compared, Watcher, unwatched
from recon.reference.reference import Reference
from recon.values import judging, verdicts
from recon.values.policy import Mending
from recon.values.summary import Shares, Values, combined, folded, traces
from recon.values.tolerance import Tolerance

CHUNK_ROWS = 120_000
"""Stored rows per chunk: bounds memory to about 60 MB per worker; larger chunks are not quicker."""


@dataclass(frozen=True)
class Fold:
    """What is kept of judged rows: of each piece (some whole dates, or some settlement periods of a larger one), and
    what the pieces of some whole dates come to.
    """

    piece: Callable[[pl.DataFrame, Shares], Any]
    dates: Callable[[Sequence[Any]], Any]


@dataclass(frozen=True)
class _Judge:
    """How chunks are judged. larger: the dates that have more rows than CHUNK_ROWS."""

    settings: Settings
    reference: Reference
    layout: Layout
    tolerance: Tolerance
    fold: Fold
    named: bool
    larger: frozenset[date]


DOOMED: FrameSchema = {
    **CALC_KEY_SCHEMA,
    "stored_btc": pl.Float64,
    "expected_btc": pl.Float64,
    "verdict": pl.String,
    "action": pl.String,
}
"""One row per stored row to replace or remove (`action`)."""
DOOMED_DATES: FrameSchema = {"settlement_date": pl.Date, "rows": pl.Int64, "removed": pl.Int64}
"""One row per settlement date that has any: how many, and how many of them are to be removed."""


def dates_with_rows(status: Status) -> list[tuple[date, int]]:
    """The dates of a window on which anything is stored, with their rows."""
    rows = status.dates.select("settlement_date", pl.sum_horizontal("expected", "duplicate", "orphan").alias("rows"))
    stored = status.dates.filter(pl.sum_horizontal("matched", "duplicate", "orphan") > 0)
    return list(rows.join(stored, on="settlement_date", how="semi").sort("settlement_date").iter_rows())


def judged(
    settings: Settings,
    reference: Reference,
    layout: Layout,
    status: Status,
    fold: Fold,
    *,
    name: str,
    workers: int,
    tolerance: Tolerance,
    progress: Compared,
    engine: Engine,
    named: bool = True,
) -> Iterator[Any]:
    """The `fold` of every chunk of whole dates, as the chunks finish. named: whether judged rows have their `row_id`.

    Each chunk is read as of one moment; one that times out is halved. A date that is larger than a chunk is read by
    settlement periods. progress is told the dates done.
    """
    dates = dates_with_rows(status)
    batches = list(chunks(dates, max_dates=10_000, max_rows=CHUNK_ROWS))
    larger = frozenset(day for day, rows in dates if rows > CHUNK_ROWS)
    task = partial(_chunk, _Judge(settings, reference, layout, tolerance, fold, named, larger))
    total = sum(map(len, batches))
    with Pool(settings, name) as pool:
        for days, folded in engine(Work(task, batches, pool, workers)):
            yield from folded
            progress(len(days), total)


def _chunk(judge: _Judge, pool: Pool, days: Sequence[date], retrying: Retrying) -> list[Any]:
    try:
        with pool.session() as session, stage("values"), session.transaction(read_only=True, snapshot=True):
            return [_of_dates(judge, session, days)]
    except DatabaseError as error:
        if error.code != "timeout" or len(days) == 1:
            raise
        retrying(days, error)
    return [folded for half in halves(days) for folded in _chunk(judge, pool, half, retrying)]


def _of_dates(judge: _Judge, session: Session, days: Sequence[date]) -> Any:
    """The fold of some whole dates, read at once, or of one date that is larger than a chunk, piece by piece."""
    layout, reference, fleet, near = judge.layout, judge.reference, judge.settings.fleet, judge.tolerance
    pieces, whole = [scope(days)], True
    if judge.larger.intersection(days):
        pieces = pieces_of(session, layout, days[0], len(reference.models), CHUNK_ROWS)
        sides = ((read_keys(session, layout, piece), read_values(session, layout, piece)) for piece in pieces)
        whole = judging.priced_whole(sides, reference, fleet, near)

    def kept(piece: dict[str, str]) -> Any:
        keys = read_keys(session, layout, piece)
        rows = judging.judge(session, layout, reference, fleet, keys, piece, near, named=judge.named, whole_dates=whole)
        return judge.fold.piece(rows, lambda some: read_source_rows(session, layout, scope_of_periods(some)))

    return judge.fold.dates([kept(piece) for piece in pieces])


def judge_values(
    settings: Settings,
    reference: Reference,
    layout: Layout,
    status: Status,
    *,
    name: str,
    workers: int = 2,
    tolerance: Tolerance | None = None,
    progress: Compared = unwatched,
    engine: Engine = threads,
) -> Values:
    """Judges every stored row of the status's window."""
    near = tolerance or Tolerance()
    parts = list(
        judged(
            settings,
            reference,
            layout,
            status,
            Fold(traces, partial(folded, reference=reference)),
            name=name,
            workers=workers,
            tolerance=near,
            progress=progress,
            engine=engine,
            named=not layout.unique_index,
        )
    )
    return combined(parts, near)


def doomed(
    settings: Settings,
    reference: Reference,
    layout: Layout,
    status: Status,
    repairs: frozenset[str],
    *,
    name: str,
    workers: int,
    tolerance: Tolerance,
    progress: Compared,
    listed: bool,
    engine: Engine = threads,
) -> pl.DataFrame:
    """DOOMED: every stored row that the repairs would replace or remove (audit.doomed), in order of key.

    listed: else DOOMED_DATES, for whoever only counts them: a table's worth of rows is neither held nor sent.
    """
    frames = judged(
        settings,
        reference,
        layout,
        status,
        Fold(partial(_doomed, repairs, listed), _of_blocked_dates_none),
        name=name,
        workers=workers,
        tolerance=tolerance,
        progress=progress,
        engine=engine,
    )
    schema = DOOMED if listed else DOOMED_DATES
    found: pl.DataFrame = pl.concat([pl.DataFrame(schema=schema), *frames])
    return found.sort(CALC_KEY) if listed else found.group_by("settlement_date").agg(pl.col("rows", "removed").sum())


def _doomed(repairs: frozenset[str], listed: bool, rows: pl.DataFrame, _: Shares) -> tuple[pl.DataFrame, bool]:
    """The rows of a piece that are doomed, or their number by date; and whether it has rows of a blocked date."""
    found, blocked = verdicts.doomed(rows.lazy(), repairs), (rows.get_column("verdict") == "blocked").any()
    if listed:
        return found.select(DOOMED.keys()).collect(), blocked
    return counted(found).collect(), blocked


def counted(found: pl.LazyFrame) -> pl.LazyFrame:
    """DOOMED_DATES from DOOMED."""
    removed = (pl.col("action") == "remove").sum().cast(pl.Int64)
    return found.group_by("settlement_date").agg(rows=pl.len().cast(pl.Int64), removed=removed)


def _of_blocked_dates_none(pieces: Sequence[tuple[pl.DataFrame, bool]]) -> pl.DataFrame:
    """What is doomed of some whole dates. Several pieces are of one date, and it is blocked if any of them is."""
    blocked = len(pieces) > 1 and any(blocked for _, blocked in pieces)
    found = pl.concat([found for found, _ in pieces])
    return found.clear() if blocked else found


@dataclass(frozen=True)
class ValueCheck:
    """How stored values are checked: when they agree, on how many connections, who hears of the dates done, and who
    does it.
    """

    tolerance: Tolerance = field(default_factory=Tolerance)
    workers: int = 2
    progress: Compared = unwatched
    engine: Engine = threads


def with_values(
    settings: Settings, reference: Reference, layout: Layout, found: Status, check: ValueCheck, *, name: str
) -> Status:
    """The status with the verdict on every stored value."""
    judged = judge_values(settings, reference, layout, found, name=name, **vars(check))
    return replace(found, values=judged)


def changes_of(
    settings: Settings,
    reference: Reference,
    layout: Layout,
    before: Status,
    mending: Mending,
    name: str,
    workers: int,
    watcher: Watcher,
    listed: bool,
    engine: Engine,
) -> tuple[pl.DataFrame, pl.DataFrame | None]:
    """How many stored rows of each date the repairs would replace or remove (values.DOOMED_DATES); `listed`: and which
    (values.DOOMED).
    """
    if not mending.changes_rows:
        return pl.DataFrame(schema=DOOMED_DATES), None
    with watcher.comparing() as compared:
        options = vars(ValueCheck(mending.tolerance, workers, compared, engine)) | {"listed": listed}
        found = doomed(settings, reference, layout, before, mending.repairs, name=name, **options)
    return (counted(found.lazy()).collect(), found) if listed else (found, None)
