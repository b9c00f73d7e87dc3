"""How far the tables agree: aggregates of both per date, and a comparison key by key of the dates that differ."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from recon.core import gaps
from recon.core.chunks import chunks
from recon.core.errors import DatabaseError
from recon.core.gaps import Survey
from recon.core.window import Window
from recon.postgres.pool import Pool
from recon.postgres.scope import Cells, Scope
from recon.postgres.tables import Tables, stored_sums
from recon.reconcile.request import Job, ValueCheck
from recon.reconcile.sides import as_of_one_moment, spread
from recon.reconcile.status import Status
from recon.reconcile.watcher import Compared, unwatched

if TYPE_CHECKING:
    from recon.reconcile.cell_survey import CellSurvey

SCAN_ROWS = 250_000
"""Rows that a connection compares at once: fewer take less memory, but more time."""
KEYS, ROWS, SUMS = "postgres/survey_source", "postgres/survey_stored", "postgres/stored_sums"
"""What is read of the curtailment by settlement date, and of the calculations by settlement date and miner model: rows
and keys; these with sums of the values."""
PROBED_DAYS = 14
"""So many of the newest days are looked at before it is decided how all are."""
SLICE_ROWS = 75_000
"""Rows of the curtailment that are in memory at once, per connection, where they are read one by one."""
LARGE_ROWS = 6_000_000
"""Rows of the curtailment whose calculations are summed by one statement: rows that an index of dates finds take a
quarter more time than a table that is gone through from end to end. A server takes some seconds for so many, and other
sessions, which wait in their transactions, are not ended as idle.
"""


@dataclass(frozen=True)
class Scanned:
    """Sees what is compared, for whoever wants to know more of it without a second scan; in the comparing thread.

    piece: given the keys and the stored calculations of some whole dates, or of some settlement periods of a larger
    one. dates: given what `piece` made of all the pieces of some whole dates.
    """

    piece: Callable[[pl.DataFrame, pl.DataFrame], Any]
    dates: Callable[[Sequence[Any]], None]


@dataclass(frozen=True)
class KeyComparison:
    """What is compared key by key, and who follows it.

    deep: every key, not only those of cells whose checksums differ. compared: called with the dates done.
    scanned: sees the rows, of whole dates. estimable: of dates that surely lack rows, those whose counts need only be
    bounds, since a run counts them again; without it none. by_cell: whether that run can go on with a survey by cell.
    workers: connections that read parts of a wide window side by side, or settings.AUTO.
    """

    deep: bool = False
    compared: Compared = unwatched
    scanned: Scanned | None = None
    estimable: Callable[[Sequence[date]], Container[date]] | None = None
    by_cell: bool = False
    workers: int = 2

    def parted(self, surveyed: Survey) -> tuple[pl.DataFrame, pl.DataFrame]:
        """The dates whose counts may be bounds, and those to be compared."""
        estimated, disputed = self._estimated(surveyed), surveyed.everything if self.deep else surveyed.disputed
        return estimated, disputed.join(estimated, on="settlement_date", how="anti")

    def _estimated(self, surveyed: Survey) -> pl.DataFrame:
        """The disputed dates whose counts may be bounds."""
        unfilled = surveyed.surely_unfilled.join(surveyed.disputed, on="settlement_date", how="semi")
        if not self.estimable or self.deep or self.scanned:
            return unfilled.clear()
        allowed = self.estimable(unfilled.get_column("settlement_date").to_list())
        return unfilled.filter([day in allowed for day in unfilled.get_column("settlement_date")])

    def count(self, tables: Tables, models: Sequence[str], dates: Sequence[date], rows: int) -> pl.DataFrame:
        """schema.COUNTS of some whole dates. rows: that they have together, at the most."""
        if self.deep or self.scanned:
            pieces = [Scope.of(dates)]
            if rows > SCAN_ROWS:  # of one date; half as many rows at once leave room for what is kept
                pieces = tables.pieces(dates[0], len(models), SCAN_ROWS // 2)
            return self._compared(tables, models, pieces)
        cells = Cells.of(len(dates), rows // (1 + len(models)), whole_periods=False)
        keys = gaps.each_once(tables.source_keys(Scope.of(dates), cells))
        stored = tables.stored_cells(Scope.of(dates), cells)
        surveyed = Survey.by_cell(keys, stored, models)
        disputed = surveyed.doubtful(keys)
        groups = surveyed.pieces(disputed, SCAN_ROWS // 2)
        counts = self._compared(tables, models, [tables.scope_of(group, cells) for group in groups])
        return gaps.together([surveyed.counts(disputed), counts])

    def _compared(self, tables: Tables, models: Sequence[str], pieces: Sequence[Scope]) -> pl.DataFrame:
        """schema.COUNTS of these pieces of some whole dates, key by key."""
        counts, seen = [], []
        for scope in pieces:
            keys, done = tables.scan(scope)
            counts.append(gaps.count(keys.lazy(), gaps.named(models), done.lazy()).collect())
            if self.scanned:
                seen.append(self.scanned.piece(keys, done))
        if self.scanned:
            self.scanned.dates(seen)
        return counts[0] if len(counts) == 1 else gaps.together(counts)


def status(
    job: Job,
    window: Window,
    *,
    comparison: KeyComparison | None = None,
    check: ValueCheck | None = None,
) -> Status:
    """How far the tables agree in a window, exactly and read-only, as of one moment; `check` adds the values."""
    with job.pool() as pool, job.tables(pool) as tables:
        found = surveyed(tables, job, window, comparison, pool, check if check and check.by_sums else None)
    if check is None:
        return found.status
    from recon.reconcile.value_check import with_values

    return with_values(job, tables.layout, found.status, replace(check, agreed=found.agreed))


def survey(
    tables: Tables,
    job: Job,
    window: Window,
    comparison: KeyComparison | None = None,
    pool: Pool | None = None,
) -> Status:
    """Status by per-date aggregates; only dates on which they disagree are compared key by key.

    pool: lends more connections, so that parts of a wide window are read at the same time.
    """
    return surveyed(tables, job, window, comparison, pool).status


class Surveyed(NamedTuple):
    """by_cell: where rows lack, if that was looked for. agreed: the dates all of whose values are right
    (value_check.AGREED), if these were.
    """

    status: Status
    by_cell: CellSurvey | None = None
    agreed: pl.DataFrame | None = None


def surveyed(
    tables: Tables,
    job: Job,
    window: Window,
    comparison: KeyComparison | None,
    pool: Pool | None,
    check: ValueCheck | None = None,
) -> Surveyed:
    """As `survey`, with more that was found by the way. check: how values are checked, by sums."""
    comparison = comparison or KeyComparison()
    agreed = None
    workers = check.workers if check else comparison.workers
    with as_of_one_moment(tables, pool, window, workers) as sides:
        by_cell = _by_cell(sides, job, window) if comparison.by_cell else None
        if by_cell:
            source, stored, newest = by_cell.source, by_cell.stored, tables.newest(date.max)
        elif check:
            source, stored, agreed = _with_sums(sides, job, check, window)
            newest = tables.newest(date.max)
        else:
            source, stored, newest = aggregates(sides, window)
        undated = tables.undated(window)
        agreement = Survey.by_date(source, stored, job.models)
        estimated, disputed = comparison.parted(agreement)
        counts = recount(sides, job.models, disputed, _sizes(source, stored), comparison)
    every = pl.concat([agreement.counts(disputed), *counts])
    bounds = frozenset(estimated.get_column("settlement_date"))
    blocked = job.blocked(every.get_column("settlement_date").unique().to_list())
    counted = Status(window, job.models, source, every, newest, undated=undated, bounds=bounds, blocked=blocked)
    return Surveyed(counted, by_cell, agreed)


def _with_sums(
    sides: Sequence[Tables], job: Job, check: ValueCheck, window: Window
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Both tables' aggregates, and the dates all of whose values are right (value_check.AGREED)."""
    from recon.reconcile.value_check import Due, all_right

    judge = job.judge(check.tolerance)

    def read(side: Tables, part: Window) -> list[Due]:
        return list(side.halved(lambda some: Due.read(side, Scope.of_window(some), judge), part))

    def summed(side: Tables, part: Window) -> pl.DataFrame:
        return side.aggregate(part, SUMS)

    large = sides[0].cut(window, max(1, len(sides) // 2), LARGE_ROWS)
    small = sides[0].cut(window, len(sides), SLICE_ROWS)
    tasks: list[tuple[Callable[[Tables, Window], Any], Window]] = [(summed, part) for part in large]
    tasks += [(read, part) for part in small]
    answers = list(spread(sides, lambda side, task: task[0](side, task[1]), tasks))
    sums = pl.concat(answers[: len(large)])
    every = [one for dues in answers[len(large) :] for one in dues]
    source, totals = pl.concat([due.source for due in every]), pl.concat([due.totals for due in every])
    return source, sums, all_right(totals, stored_sums(sums), sides[0].layout)


def _by_cell(sides: Sequence[Tables], job: Job, window: Window) -> CellSurvey | None:
    """The survey by cell, where it is worth its while: where most of the newest dates hold something and lack rows."""
    first, last = window.bounds
    layout = sides[0].layout
    newest = sides[0].newest(last) if layout.source_versions and layout.stored_versions else None
    if not newest or (newest - first).days < PROBED_DAYS:
        return None
    probed = Window(newest - timedelta(days=PROBED_DAYS - 1), newest)
    source, stored, _ = aggregates(sides[:1], probed)
    unfilled = Survey.by_date(source, stored, job.models).unfilled.join(stored, on="settlement_date", how="semi")
    told = sides[0].as_of_now()
    if 2 * unfilled.height <= source.height or told.has_young_rows(probed):
        return None
    keys, whole = int(source.get_column("keys").sum()), job.settings.fleet.needs_whole_periods
    cells = Cells.of(source.height, keys, whole_periods=whole)
    from recon.reconcile.cell_survey import CellSurvey

    def look(side: Tables, part: Window) -> list[CellSurvey]:
        side = replace(side, since=told.since)
        return [*side.halved(lambda some: CellSurvey.quick(side, Scope.of_window(some), cells, job.models), part)]

    found = spread(sides, look, sides[0].cut(window, len(sides), SLICE_ROWS))
    return CellSurvey.together([part for parts in found for part in parts])


def recount(
    sides: Sequence[Tables],
    models: Sequence[str],
    dates: pl.DataFrame,
    sizes: dict[date, int],
    comparison: KeyComparison,
) -> list[pl.DataFrame]:
    """schema.COUNTS of some dates, compared; each side works on some of them. sizes: the rows of each date."""
    days = dates.get_column("settlement_date").to_list()

    def compare(side: Tables, some: Sequence[date]) -> tuple[int, pl.DataFrame]:
        return len(some), comparison.count(side, models, some, sum(sizes[day] for day in some))

    scans = chunks(((day, sizes[day]) for day in days), max_dates=len(days), max_rows=SCAN_ROWS)
    parts = []
    for done, part in spread(sides, compare, scans):
        comparison.compared(done, len(days))
        parts.append(part)
    return parts


def exact(status: Status, pool: Pool, tables: Tables) -> Status:
    """The status with the dates counted that have only bounds. Where the server does not let us, they stay bounds."""
    if not status.bounds:
        return status
    days = sorted(status.bounds)
    some = status.counts.filter(pl.col("settlement_date").is_in(days)).group_by("settlement_date")
    sizes = dict(some.agg(pl.max_horizontal(pl.col("expected").sum(), pl.col("matched").sum())).iter_rows())
    with suppress(DatabaseError), pool.session() as session:
        side = replace(tables, session=session)
        with session.transaction(read_only=True, snapshot=True):
            dates = pl.DataFrame({"settlement_date": days})
            counts = recount([side], status.miner_models, dates, sizes, KeyComparison())
        return status.with_counts(days, pl.concat(counts))
    return status


def aggregates(sides: Sequence[Tables], window: Window) -> tuple[pl.DataFrame, pl.DataFrame, date | None]:
    """Both tables' aggregates, and the newest settlement date of the whole curtailment. Where there are several
    sessions, each reads as many of the window's rows.
    """

    def of(side: Tables, part: Window) -> list[pl.DataFrame]:
        return [side.aggregate(part, name) for name in (KEYS, ROWS)]

    sources, stored = zip(*spread(sides, of, sides[0].cut(window, len(sides))), strict=True)
    source = pl.concat(sources)
    newest: date | None = source.item(0, "newest")
    return source.drop("newest").drop_nulls("settlement_date"), pl.concat(stored), newest


def _sizes(source: pl.DataFrame, stored: pl.DataFrame) -> dict[date, int]:
    """The keys and the stored rows of each date."""
    rows = dict(source.select("settlement_date", "keys").iter_rows())
    for day, count in stored.select("settlement_date", "rows").iter_rows():
        rows[day] = rows.get(day, 0) + count
    return rows
