"""Every stored value of a window against what it should be: chunk by chunk, side by side, read-only."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Any

import polars as pl

from recon import audit, ratios, repair
from recon.audit import Tolerance
from recon.config import Settings
from recon.database import Pool, Session
from recon.engine import Engine, Retrying, Work, threads
from recon.errors import DatabaseError
from recon.partitions import chunks, halves
from recon.profile import stage
from recon.reference import Reference
from recon.report import Status, Values
from recon.schema import CALC_KEY, CALC_KEY_SCHEMA, FrameSchema
from recon.tables import (
    SOURCE_ROWS,
    Layout,
    pieces_of,
    read_keys,
    read_source_rows,
    read_values,
    scope,
    scope_of_periods,
)

CHUNK_ROWS = 120_000
"""Stored rows per chunk: bounds memory to about 60 MB per worker; larger chunks are not quicker."""
Shares = Callable[[pl.DataFrame], pl.DataFrame]
"""Reads the single source rows of some judged rows' keys."""


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
Compared = Callable[[int, int], None]
"""Told that so many more dates were compared, and of how many in all."""


def unwatched(_more: int, _total: int) -> None:
    """Nobody wants to know."""


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
        whole = repair.priced_whole(sides, reference, fleet, near)

    def kept(piece: dict[str, str]) -> Any:
        keys = read_keys(session, layout, piece)
        rows = repair.judge(session, layout, reference, fleet, keys, piece, near, named=judge.named, whole_dates=whole)
        return judge.fold.piece(rows, lambda some: read_source_rows(session, layout, scope_of_periods(some)))

    return judge.fold.dates([kept(piece) for piece in pieces])


def check(
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


Traces = tuple[pl.DataFrame, ratios.Evidence]
"""What is kept of judged rows: audit.TALLY, and what may tell the causes of wrong ones."""
Part = tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]
"""What some whole dates come to: their summary, their dates of several difficulties, their ratios."""


def traces(rows: pl.DataFrame, shares: Shares) -> Traces:
    """What is kept of some judged rows (audit.judge)."""
    stale = rows.filter(pl.col("verdict") == "stale")
    keys = pl.DataFrame(schema=SOURCE_ROWS) if stale.is_empty() else shares(stale)
    return audit.tally(rows.lazy()).collect(), ratios.evidence(rows, keys)


def folded(pieces: Sequence[Traces], reference: Reference) -> Part:
    """The part that some whole dates make, from the traces of all their rows."""
    tally = pl.concat([tally for tally, _ in pieces]).lazy()
    clusters = ratios.clusters([found for _, found in pieces], reference_of(reference))
    return audit.summarize(tally).collect(), audit.several_difficulties(tally).collect(), clusters


def combined(parts: Sequence[Part], near: Tolerance) -> Values:
    """The verdict on all dates, from the parts of different ones."""
    summary = _stacked([summary for summary, _, _ in parts], ["settlement_date", "miner_model", "verdict"])
    mixed = _stacked([mixed for _, mixed, _ in parts], ["settlement_date", "miner_model"])
    clusters = _stacked([found for _, _, found in parts], ["settlement_date", "miner_model", "cause"])
    if summary is None or mixed is None or clusters is None:
        return Values(_NO_SUMMARY, pl.DataFrame(schema=audit.MIXED), tolerance=near)
    return Values(summary, mixed, tuple(ratios.causes(clusters)), near)


_NO_SUMMARY = pl.DataFrame(
    schema={
        "settlement_date": pl.Date,
        "miner_model": pl.String,
        "verdict": pl.String,
        "rows": pl.Int64,
        "settlement_period": pl.Int32,
        "farm_id": pl.String,
        "stored_btc": pl.Float64,
        "expected_btc": pl.Float64,
    }
)


def _stacked(frames: Sequence[pl.DataFrame], order: list[str]) -> pl.DataFrame | None:
    return pl.concat(frames).sort(order) if frames else None


def reference_of(reference: Reference) -> ratios.Catalogue:
    """The reference data that can explain a ratio."""
    return ratios.Catalogue(reference.miners, reference.subsidies, reference.epochs, reference.variants)


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
    found, blocked = audit.doomed(rows.lazy(), repairs), (rows.get_column("verdict") == "blocked").any()
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
