"""How far the tables agree: aggregates of both per date, and a comparison key by key of the dates that differ."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import date, timedelta
from queue import SimpleQueue
from typing import Any, TypeVar

import polars as pl

from recon.core import gaps
from recon.core.chunks import chunks
from recon.core.errors import ConnectError
from recon.core.settings import Settings
from recon.core.window import Window
from recon.postgres import tables
from recon.postgres.inspect import inspect
from recon.postgres.layout import Layout
from recon.postgres.pool import Pool
from recon.postgres.profile import stage
from recon.postgres.scope import scope
from recon.postgres.session import Session
from recon.reconcile import watcher
from recon.reconcile.status import Status
from recon.reconcile.value_check import ValueCheck, with_values
from recon.reconcile.watcher import Compared, unwatched
from recon.reference.reference import Reference

SCAN_ROWS = 250_000
"""Rows that a connection compares at once: fewer take less memory, but more time."""
ONE_CONNECTION_DAYS = 92
"""A survey of up to a quarter takes less time than a second connection."""
Task = TypeVar("Task")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Scanned:
    """Sees what is compared, for whoever wants to know more of it without a second scan; in the comparing thread.

    piece: told the keys and the stored calculations of some whole dates, or of some settlement periods of a larger one.
    dates: told what `piece` made of all the pieces of some whole dates.
    """

    piece: Callable[[pl.DataFrame, pl.DataFrame], Any]
    dates: Callable[[Sequence[Any]], None]


def survey(
    session: Session,
    settings: Settings,
    layout: Layout,
    models: Sequence[str],
    window: Window,
    *,
    deep: bool = False,
    scanned: Scanned | None = None,
    compared: watcher.Compared = watcher.unwatched,
    pool: Pool | None = None,
) -> Status:
    """Status by per-date aggregates; only dates on which they disagree (`deep`: all) are compared key by key.

    compared: is told the dates. pool: lends a second connection, so that two parts of a wide window are read at the
    same time.
    """
    sizes: dict[date, int] = {}

    def compare(session: Session, dates: Sequence[date]) -> tuple[int, pl.DataFrame]:
        larger = sizes[dates[0]] > SCAN_ROWS  # and then alone; half as many rows at once leave room for what is kept
        pieces = tables.pieces_of(session, layout, dates[0], len(models), SCAN_ROWS // 2) if larger else [scope(dates)]
        counts, seen = [], []
        for where in pieces:
            keys, done = tables.scan(session, settings, layout, dates, where)
            counts.append(gaps.count(keys.lazy(), gaps.named(models), done.lazy()).collect())
            if scanned:
                seen.append(scanned.piece(keys, done))
        if scanned:
            scanned.dates(seen)
        return len(dates), counts[0] if len(counts) == 1 else gaps.together(counts)

    with _as_of_one_moment(session, pool, window) as sessions:
        source, stored = aggregates(sessions, layout, window)
        undated = tables.undated(session, layout, window)
        counts, disputed = gaps.judge(source, stored, list(models), deep=deep)
        parts = [counts]
        sizes |= _sizes(source, stored)
        scans = chunks(((day, sizes[day]) for day in disputed), max_dates=len(disputed), max_rows=SCAN_ROWS)
        for dates, part in _side_by_side(sessions, compare, scans):
            compared(dates, len(disputed))
            parts.append(part)
    return Status(window, tuple(models), source, pl.concat(parts), undated=undated)


@contextmanager
def _as_of_one_moment(session: Session, pool: Pool | None, window: Window) -> Iterator[list[Session]]:
    """The session, and for a wide window a second one, in transactions that read the same snapshot."""
    first, last = window.bounds
    with ExitStack() as held:
        held.enter_context(session.transaction(read_only=True, snapshot=True))
        sessions = [session]
        # A pooler may have no second one to lend until this one's transaction ends, which would wait for it.
        if pool and (last - first).days > ONE_CONNECTION_DAYS and not session.is_pooled:
            with suppress(ConnectError):  # a server without a second one to spare
                sessions.append(held.enter_context(pool.session()))
        for beside in sessions[1:]:
            snapshot = session.rows("select pg_export_snapshot() as id")[0]["id"]
            held.enter_context(beside.transaction(read_only=True, snapshot=True))
            beside.execute(f"set transaction snapshot '{snapshot}'")
        yield sessions


def aggregates(sessions: Sequence[Session], layout: Layout, window: Window) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Both tables' aggregates: where there are two sessions, each reads the half of the window's rows."""

    def of(session: Session, part: Window) -> list[pl.DataFrame]:
        return [
            tables.aggregate(session, layout, part, name)
            for name in ("postgres/survey_source", "postgres/survey_stored")
        ]

    first, last = window.bounds
    middle = tables.middle(sessions[0], layout, window) if len(sessions) > 1 else None
    halves = [window]
    if middle and middle < last:
        halves = [Window(first, middle), Window(middle + timedelta(days=1), last)]
    source, stored = zip(*_side_by_side(sessions, of, halves), strict=True)
    return pl.concat(source), pl.concat(stored)


def _sizes(source: pl.DataFrame, stored: pl.DataFrame) -> dict[date, int]:
    """The keys and the stored rows of each date."""
    rows = dict(source.select("settlement_date", "keys").iter_rows())
    for day, count in stored.select("settlement_date", "rows").iter_rows():
        rows[day] = rows.get(day, 0) + count
    return rows


def _side_by_side(
    sessions: Sequence[Session], work: Callable[[Session, Task], Result], tasks: Iterable[Task]
) -> Iterator[Result]:
    """What every task comes to, in order; each session works on one at a time."""
    free: SimpleQueue[Session] = SimpleQueue()
    for session in sessions:
        free.put(session)

    def run(task: Task) -> Result:
        session = free.get()
        try:
            with stage("survey"):
                return work(session, task)
        finally:
            free.put(session)

    with ThreadPoolExecutor(len(sessions), thread_name_prefix="survey") as executor:
        yield from executor.map(run, tasks)


def status(
    settings: Settings,
    reference: Reference,
    window: Window,
    *,
    name: str,
    deep: bool = False,
    check: ValueCheck | None = None,
    compared: Compared = unwatched,
) -> Status:
    """How far the tables agree in a window, exactly and read-only, as of one moment; `check` adds the values."""
    with Pool(settings, name) as pool, pool.session() as session:
        layout = inspect(session, settings)
        found = survey(session, settings, layout, reference.models, window, deep=deep, compared=compared, pool=pool)
    return with_values(settings, reference, layout, found, check, name=name) if check else found
