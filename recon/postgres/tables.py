"""The two tables through one session: what is read of them, locked and appended."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cache
from typing import Any, TypeVar

import polars as pl

from recon.core.chunks import halves, halving, on_timeout, period_groups, split_range
from recon.core.schema import (
    CALC_KEY_SCHEMA,
    DONE_HASHES,
    ENERGY,
    HASHED_ENERGY,
    KEY_CODE,
    SOURCE_ROWS,
    SOURCE_STATE,
    STORED,
    STORED_SUMS,
)
from recon.core.settings import Reader
from recon.core.window import Window
from recon.postgres.driver import scan_with_connectorx
from recon.postgres.layout import Layout
from recon.postgres.scope import CODE_OF_KEY, EPOCH, Cells, Scope, any_of, beyond_the_calendar, within
from recon.postgres.session import Session
from recon.postgres.sql import date_list, literal, numbers, sql
from recon.postgres.versions import Moment, identity

Result = TypeVar("Result")


@dataclass(frozen=True)
class Undated:
    """Rows whose settlement date is null, infinite, before the year 1 or after 9999, which no date of a window holds.

    source: rows of the curtailment, which are invalid. stored: calculations, which are orphans.
    """

    source: int = 0
    stored: int = 0


@dataclass(frozen=True)
class Tables:
    """The two tables as `layout` has them, read and written through `session`."""

    session: Session
    layout: Layout
    since: Moment | None = None
    """Rows that are older are told by their version: they were there then, and have not changed. Without it none is."""

    def sql(self, name: str, scope: Scope | None = None, /, **parts: str) -> str:
        """The statement in that SQL file, about these tables, within a scope."""
        return sql(name, **self.layout.parts | self._is_old | (scope.parts if scope else {}) | parts)

    @property
    def _is_old(self) -> dict[str, str]:
        """SQL for whether a row is told by its version, of either table."""
        told = {"source_is_old": "false", "stored_is_old": "false"}
        if self.since and self.layout.source_versions:
            told["source_is_old"] = self.since.older(self.layout.curtailment.name.quoted, self.since.source)
        if self.since and self.layout.stored_versions:
            told["stored_is_old"] = self.since.older(self.layout.calculations.name.quoted, self.since.stored)
        return told

    def as_of_now(self) -> Tables:
        """The same tables; what is in them now is told by its version from here on."""
        source, stored = (identity(of.name.quoted) for of in (self.layout.curtailment, self.layout.calculations))
        (row,) = self.rows("postgres/moment", source_identity=source, stored_identity=stored)
        return replace(self, since=Moment(**row))

    def frame(self, name: str, scope: Scope | None = None, /, **parts: str) -> pl.DataFrame:
        """The rows of a statement; see `sql`."""
        return self.session.frame(self.sql(name, scope, **parts))

    def rows(self, name: str, *values: object, **parts: str) -> list[dict[str, Any]]:
        """The few rows of a statement with bound values; see `sql`."""
        return self.session.rows(self.sql(name, None, **parts), *values)

    def keys(self, scope: Scope) -> pl.DataFrame:
        """schema.ENERGY: one row per KEY."""
        return self.frame("postgres/keys", scope).cast(pl.Schema(ENERGY))

    def keys_and_state(self, scope: Scope, dates: Scope | None = None) -> tuple[pl.DataFrame, pl.DataFrame]:
        """schema.HASHED_ENERGY of a scope and, as of the same moment, SOURCE_STATE, of the scope or of `dates`."""
        queries = {"keys": self.sql("postgres/keys", scope), "state": self.sql("postgres/source_state", dates or scope)}
        rows = self.frame("postgres/keys_and_state", **queries)
        keys, states = rows.filter(pl.col("farm_id").is_not_null()), rows.filter(pl.col("farm_id").is_null())
        return keys.select(HASHED_ENERGY.keys()).cast(pl.Schema(HASHED_ENERGY)), source_state(states)

    def energies(self, scope: Scope, *, periods: bool) -> pl.DataFrame:
        """One row per KEY by its hash: settlement_date, key_hash, energy_mwh and source_rows; where asked for,
        settlement_period. Rows that cannot be priced have no hash.
        """
        return self.frame("postgres/energies", scope, period=", settlement_period" if periods else "")

    def source_keys(self, scope: Scope, cells: Cells, *, contents: bool = False) -> pl.DataFrame:
        """schema.CELL_KEYS: one row per row of the curtailment; without a hash where it cannot be priced.

        contents: with what it adds to the `volumes` of its date (`volume_hash`); else all rows count as told by their
        version, which add nothing.
        """
        told = "case when is_old then 0 else coalesce(hash_numeric_extended(volume, key_hash), 1) end"
        volume_hash = told if contents else "null::int8"
        return self.frame("postgres/source_keys", scope, cell=cells.sql(), volume_hash=volume_hash)

    def has_young_rows(self, window: Window) -> bool:
        """Whether any row of a window, in either table, is not told by its version."""
        return bool(self.rows("postgres/young", within=within(window))[0]["found"])

    def stored_cells(self, scope: Scope, cells: Cells, *, contents: bool = False) -> pl.DataFrame:
        """The survey of the calculations by cell and miner model: `rows`, `checksum` of their keys and `contents`: how
        many are told by their version, with a checksum of the others' values. Unless that is asked for, all of them
        count as told by it.
        """
        told = f"sum(case when is_old then 1 else {self.layout.parts['value_hash']} end)::text"
        rows = self.frame("postgres/stored_cells", scope, cell=cells.sql(), contents=told if contents else "null::text")
        return rows if contents else rows.with_columns(contents=pl.col("rows"))

    def scope_of(self, rows: pl.DataFrame, cells: Cells) -> Scope:
        """The cells of the rows (schema.CELL)."""
        parts = self.layout.parts
        return Scope.of_cells(rows, cells.sql(parts["period"], parts["key_hash"]))

    def keys_of(
        self, whole: pl.DataFrame, some: pl.DataFrame, cells: Cells, dates: Sequence[date]
    ) -> tuple[pl.DataFrame, pl.DataFrame]:
        """schema.HASHED_ENERGY with its `cell` of all keys of whole cells (CELL), and of `some` others (HASHED_KEY).
        And SOURCE_STATE of these dates as of the same moment.
        """
        scope = self.scope_of(whole, cells)
        if not some.is_empty():
            days = {*scope.dates, *some.get_column("settlement_date").unique()}
            codes = numbers(some.select(KEY_CODE).to_series().unique())
            code = CODE_OF_KEY.format(key_hash=self.layout.parts["key_hash"])
            scope = Scope(tuple(sorted(days)), f"({scope.periods} or {code} = any ({codes}))")
        keys, state = self.keys_and_state(scope, Scope.of(dates))
        return keys.with_columns(cells.of_keys), state

    def done_hashes(self, scope: Scope) -> pl.DataFrame:
        """schema.DONE_HASHES: one row per stored calculation."""
        return self.frame("postgres/done_hashes", scope).cast(pl.Schema(DONE_HASHES))

    def done_in(self, some: pl.DataFrame, cells: Cells) -> pl.DataFrame:
        """schema.DONE_HASHES of some cells (CELL), by the unique index where there is one: it begins with date and
        period.
        """
        scope = self.scope_of(some, cells)
        return self.done_hashes(scope.by_period(some, cells) if self.layout.unique_index else scope)

    def state(self, scope: Scope) -> pl.DataFrame:
        """schema.SOURCE_STATE as of now."""
        return source_state(self.frame("postgres/source_state", scope))

    def done(self, scope: Scope) -> pl.DataFrame:
        """One row per stored calculation. A period beyond 32 bits is no period: it comes back as null, an orphan."""
        return _as_calculations(self.frame("postgres/done", scope))

    def source_rows(self, scope: Scope) -> pl.DataFrame:
        """schema.SOURCE_ROWS: one row per KEY with energy_mwh, how many source rows it has and their energies."""
        return self.frame("postgres/source_rows", scope).cast(pl.Schema(SOURCE_ROWS))

    def values(self, scope: Scope, *, named: bool = True) -> pl.DataFrame:
        """schema.STORED: one row per stored calculation with its values.

        named: with what tells rows of a pair apart; for those alone that costs a quarter of the time.
        """
        parts: dict[str, str] = {} if named else {"row_id": "null::text"}
        return self.frame("postgres/values", scope, **parts).cast(STORED, strict=False)  # type: ignore[arg-type]

    def aggregate(self, window: Window, name: str) -> pl.DataFrame:
        """One table's aggregates per date, as `survey_query` asks for them. A window that times out is halved.

        Run it inside a transaction: it uses savepoints.
        """

        return pl.concat(self.halved(lambda part: self.session.small(self.survey_query(name, within(part))), window))

    def halved(self, read: Callable[[Window], Result], window: Window) -> Iterator[Result]:
        """What is read of a window, or, where that times out, of its halves. Inside a transaction; see `aggregate`."""

        def tried(part: Window) -> Result:
            first, last = part.bounds
            with self.session.savepoint() if first < last else nullcontext():
                return read(part)

        return halving(tried, window, on_timeout(self._halves))

    def _halves(self, window: Window) -> list[Window]:
        """The halves of the dates that a window has curtailment of; none of a single date."""
        first, last = window.bounds
        if first == last:
            return []
        (ends,) = self.rows("postgres/date_range", first=literal(first), last=literal(last))
        days = (ends["first_date"] or first, ends["last_date"] or first)
        return [Window(*half) for half in split_range(days) or [days]]

    def stored_sums(self, scope: Scope) -> pl.DataFrame:
        """schema.STORED_SUMS of a scope, of which every row counts as new."""
        return stored_sums(self.frame("postgres/stored_sums", scope, is_new="true", which="true"))

    def held(self, scope: Scope, written: pl.DataFrame, fresh: Sequence[date]) -> pl.DataFrame:
        """schema.STORED_SUMS of a scope as of now: of the rows that count as new, and of others that are not told by
        their version; and how many rows each date has but the `fresh`, without a miner model, neither new nor not.

        written: the rows that count as new (HASHED_KEY and miner_model), beside all those of the dates `fresh`.
        """
        is_new = f"coalesce({any_of(written)}, false) or settlement_date = any ({date_list(fresh)})"
        sums = self.sql("postgres/stored_sums", scope, is_new=is_new, which=f"not {self._is_old['stored_is_old']}")
        begun = replace(scope, dates=tuple(day for day in scope.dates if day not in fresh))
        return stored_sums(self.frame("postgres/held", begun, sums=sums))

    def survey_query(self, name: str, condition: str) -> str:
        """SQL for one table's aggregates per settlement date (survey_source, survey_stored or stored_sums)."""
        return self.sql(name, within=condition, newest=self._newest_query(date.max), is_new="true", which="true")

    def newest(self, through: date) -> date | None:
        """The newest settlement date of the whole curtailment that is not after this one; None without any."""
        (row,) = self.session.rows(self._newest_query(through))
        newest: date | None = row["newest"]
        return newest

    def _newest_query(self, through: date) -> str:
        return self.sql("postgres/newest", through=literal(through))

    def undated(self, window: Window) -> Undated:
        """The rows with a date outside the calendar, where the window is open on that side; null ones without any."""
        condition = beyond_the_calendar(window)
        return Undated(**self.rows("postgres/undated", undated=condition)[0]) if condition else Undated()

    def cut(self, window: Window, parts: int, rows: int = 2**62) -> list[Window]:
        """The window in about so many parts, or more where these would have more than so many `rows` of the
        curtailment, of which each has about as many.
        """
        first, last = window.bounds
        known = (self.layout.curtailment_oid, dict(self.layout.curtailment.columns)["settlement_date"])
        bounds = {"first": literal(first), "last": literal(last), "least": str(parts), "rows": str(rows)}
        days = [row["day"] for row in self.rows("postgres/survey_cuts", *known, **bounds)]
        ends = [day for day in days if day is not None and first <= day < last]
        starts = [first, *(day + timedelta(days=1) for day in ends)]
        return [Window(*part) for part in zip(starts, [*ends, last], strict=True)]

    def rows_per_period(self, day: date) -> list[tuple[int | None, int, int]]:
        """One entry per settlement period of a date, in order, first None (see `Scope.of`): the period, the rows of the
        curtailment, and those of the calculations.
        """
        rows = self.session.rows(self.sql("postgres/rows_per_period", Scope.of([day])))
        return [(row["period"], row["source_rows"], row["stored_rows"]) for row in rows]

    def pieces(self, day: date, models: int, max_rows: int) -> list[Scope]:
        """The scopes by which a date is read: itself, or groups of settlement periods where it is too large.

        models: how many rows each key should have. Each piece has at most `max_rows` calculations, stored or expected,
        but for a single larger period.
        """
        rows = [(period, max(source * models, stored)) for period, source, stored in self.rows_per_period(day)]
        groups = list(period_groups(rows, max_rows))
        return [Scope.of([day], group) for group in groups] if len(groups) > 1 else [Scope.of([day])]

    def scan(self, scope: Scope) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Keys and stored calculations, read-only, through the reader that the settings name.

        Dates that take too long together are read in halves; run it inside a transaction, for its savepoints.
        """
        if self.session.settings.reader is Reader.CONNECTORX and not self._gives_way():
            queries = (self.sql("postgres/keys", scope), self.sql("postgres/done", scope))
            keys, done = (scan_with_connectorx(self.session.settings, [query]) for query in queries)
            return keys.cast(pl.Schema(ENERGY)), _as_calculations(done)

        def read(dates: Sequence[date]) -> tuple[pl.DataFrame, pl.DataFrame]:
            part = Scope(tuple(dates), scope.periods)
            with self.session.savepoint():
                return self.keys(part), self.done(part)

        whole: Sequence[date] = scope.dates
        sides = list(halving(read, whole, on_timeout(halves)))
        return pl.concat([keys for keys, _ in sides]), pl.concat([done for _, done in sides])

    def _gives_way(self) -> bool:
        """Whether ConnectorX has to leave a scan to the driver: it opens connections of its own, which a pooler may
        have none of to lend while this session has one.
        """
        if self.session.is_pooled:
            _say_once("--reader connectorx needs the server's own address, not a pooler's: reading with adbc")
        return self.session.is_pooled

    def lock(self, dates: Sequence[date]) -> None:
        """Waits until no other run works on these dates (at most the lock timeout), and keeps others away till the
        transaction ends.
        """
        days = ", ".join(str((day - EPOCH).days) for day in sorted(dates))
        space = str(self.layout.lock_space)
        self.session.execute(self.sql("postgres/lock_dates", space=space, days=f"array[{days}]::int4[]"))

    def append(self, rows: pl.DataFrame, difficulty_decimals: int) -> None:
        """Writes calculations as new rows, inside the current transaction."""
        layout = self.layout
        self.session.copy(layout.calculations.name, layout.as_stored(rows, difficulty_decimals))


def source_state(rows: pl.DataFrame) -> pl.DataFrame:
    """schema.SOURCE_STATE in order of date; rows: have its columns, as they come from the server."""
    return rows.select(SOURCE_STATE.keys()).cast(pl.Schema(SOURCE_STATE)).sort("settlement_date")


def stored_sums(rows: pl.DataFrame) -> pl.DataFrame:
    """schema.STORED_SUMS as they come from the server."""
    return rows.cast(pl.Schema(STORED_SUMS), strict=False)


def _as_calculations(rows: pl.DataFrame) -> pl.DataFrame:
    """Stored calculations as CALC_KEYs, whatever integer type the table has."""
    return rows.cast(CALC_KEY_SCHEMA, strict=False)  # type: ignore[arg-type]


@cache
def _say_once(warning: str) -> None:
    logging.getLogger("recon").warning("%s", warning)
