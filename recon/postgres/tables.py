"""What the two tables hold: reads of keys, stored calculations and aggregates, and the locks of dates."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache

import polars as pl

from recon.core.chunks import halves, period_groups, split_range
from recon.core.errors import DatabaseError
from recon.core.schema import CALC_KEY_SCHEMA, ENERGY, HASHED_ENERGY, SOURCE_ROWS, SOURCE_STATE, STORED
from recon.core.settings import Reader, Settings
from recon.core.window import Window
from recon.postgres.driver import scan_with_connectorx
from recon.postgres.layout import Layout
from recon.postgres.scope import beyond_the_calendar, scope, within
from recon.postgres.session import Session
from recon.postgres.sql import literal, sql


def survey_query(layout: Layout, name: str, condition: str, *, sums: bool = False) -> str:
    """SQL for one table's aggregates per date (survey_source, survey_stored or stored_btc).

    sums: of the calculations, with those of verification.Sums.
    """
    added = sql("postgres/survey_values", **layout.parts) if sums else ""
    return sql(name, **layout.parts, within=condition, sums=added)


def aggregate(session: Session, layout: Layout, window: Window, name: str) -> pl.DataFrame:
    """One table's aggregates per date, as `survey_query` asks for them. A window that times out is halved.

    Run it inside a transaction: it uses savepoints.
    """
    first, last = window.bounds
    try:
        with session.savepoint():
            return session.frame(survey_query(layout, name, within(window)))
    except DatabaseError as error:
        if error.code != "timeout" or first == last:
            raise
    ends = session.rows(sql("postgres/date_range", **layout.parts, first=literal(first), last=literal(last)))[0]
    days = _cut(ends["first_date"] or first, ends["last_date"] or first)
    return pl.concat([aggregate(session, layout, Window(*half), name) for half in days])


def undated(session: Session, layout: Layout, window: Window) -> Undated:
    """The rows with a date outside the calendar, where the window is open on that side; null ones without a window."""
    condition = beyond_the_calendar(window)
    return (
        Undated(**session.rows(sql("postgres/undated", **layout.parts, undated=condition))[0])
        if condition
        else Undated()
    )


def middle(session: Session, layout: Layout, window: Window) -> date | None:
    """A date that has about half of the window's curtailment up to it; None where there is none."""
    first, last = window.bounds
    parts = {**layout.parts, "first": literal(first), "last": literal(last)}
    column = dict(layout.curtailment.columns)["settlement_date"]
    found: date | None = session.rows(sql("postgres/survey_middle", **parts), layout.curtailment_oid, column)[0][
        "middle"
    ]
    return found


def _cut(first: date, last: date) -> list[tuple[date, date]]:
    return list(split_range(first, last)) if first < last else [(first, last)]


def rows_per_period(session: Session, layout: Layout, day: date) -> list[tuple[int | None, int, int]]:
    """One entry per settlement period of a date, in order, first None (see `scope`): the period, the rows of the
    curtailment, and those of the calculations.
    """
    rows = session.rows(sql("postgres/rows_per_period", **layout.parts, **scope([day])))
    return [(row["period"], row["source_rows"], row["stored_rows"]) for row in rows]


def pieces_of(session: Session, layout: Layout, day: date, models: int, max_rows: int) -> list[dict[str, str]]:
    """The scopes by which a date is read: itself, or groups of settlement periods in order where it is too large.

    models: how many rows each key should have. Each piece has at most `max_rows` calculations, stored or expected, but
    for a single larger period.
    """
    rows = [(period, max(source * models, stored)) for period, source, stored in rows_per_period(session, layout, day)]
    groups = list(period_groups(rows, max_rows))
    return [scope([day], group) for group in groups] if len(groups) > 1 else [scope([day])]


def keys_query(layout: Layout, where: dict[str, str]) -> str:
    """SQL for the keys within a scope."""
    return sql("postgres/keys", **layout.parts, **where)


def done_query(layout: Layout, where: dict[str, str]) -> str:
    """SQL for the stored calculations within a scope."""
    return sql("postgres/done", **layout.parts, **where)


def read_keys(session: Session, layout: Layout, where: dict[str, str]) -> pl.DataFrame:
    """schema.ENERGY: one row per KEY."""
    return session.frame(keys_query(layout, where)).cast(pl.Schema(ENERGY))


def read_keys_and_state(session: Session, layout: Layout, where: dict[str, str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """HASHED_ENERGY and, as of the same moment, SOURCE_STATE."""
    queries = {"keys": keys_query(layout, where), "state": sql("postgres/source_state", **layout.parts, **where)}
    frame = session.frame(sql("postgres/keys_and_state", key_hash=layout.parts["key_hash"], **queries))
    keys, states = frame.filter(pl.col("farm_id").is_not_null()), frame.filter(pl.col("farm_id").is_null())
    return keys.select(HASHED_ENERGY.keys()).cast(pl.Schema(HASHED_ENERGY)), source_state(states)


def read_state(session: Session, layout: Layout, where: dict[str, str]) -> pl.DataFrame:
    """SOURCE_STATE as of now."""
    return source_state(session.frame(sql("postgres/source_state", **layout.parts, **where)))


def read_stored(session: Session, layout: Layout, where: dict[str, str]) -> pl.DataFrame:
    """What the survey says of the calculations of a scope now, with the sums that are verified."""
    condition = f"settlement_date = any ({where['dates']}) and {where['periods']}"
    return session.frame(survey_query(layout, "postgres/survey_stored", condition, sums=True))


def source_state(frame: pl.DataFrame) -> pl.DataFrame:
    """SOURCE_STATE in order of date; frame: has its columns, as it comes from the server."""
    return frame.select(SOURCE_STATE.keys()).cast(pl.Schema(SOURCE_STATE)).sort("settlement_date")


def read_done(session: Session, layout: Layout, where: dict[str, str]) -> pl.DataFrame:
    """One row per stored calculation. A period beyond 32 bits is no period: it comes back as null, an orphan."""
    return typed_done(session.frame(done_query(layout, where)))


def read_source_rows(session: Session, layout: Layout, where: dict[str, str]) -> pl.DataFrame:
    """One row per KEY with energy_mwh, the number of its source rows and their distinct energies (`row_mwh`)."""
    frame = session.frame(sql("postgres/source_rows", **layout.parts, **where))
    return frame.cast(pl.Schema(SOURCE_ROWS))


def read_values(session: Session, layout: Layout, where: dict[str, str], *, named: bool = True) -> pl.DataFrame:
    """audit.STORED: one row per stored calculation with its values.

    named: with what tells rows of a pair apart; for those alone that costs a quarter of the time.
    """
    parts = layout.parts if named else {**layout.parts, "row_id": "null::text"}
    frame = session.frame(sql("postgres/values", **parts, **where))
    return frame.cast(STORED, strict=False)  # type: ignore[arg-type]


def typed_done(frame: pl.DataFrame) -> pl.DataFrame:
    """Stored calculations as CALC_KEYs, whatever integer type the table has."""
    return frame.cast(CALC_KEY_SCHEMA, strict=False)  # type: ignore[arg-type]


def _gives_way(session: Session) -> bool:
    """Whether ConnectorX has to leave a scan to the driver: it opens connections of its own, which a pooler may have
    none of to lend while this session has one.
    """
    if session.is_pooled:
        _say_once("--reader connectorx needs the server's own address, not a pooler's: reading with adbc")
    return session.is_pooled


@cache
def _say_once(warning: str) -> None:
    logging.getLogger("recon").warning("%s", warning)


def scan(
    session: Session, settings: Settings, layout: Layout, dates: Sequence[date], where: dict[str, str]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Keys and stored calculations of a scope of some dates, read-only, through the reader that the settings name.

    Dates that take too long together are read in halves; run it inside a transaction, for its savepoints.
    """
    if settings.reader is Reader.CONNECTORX and not _gives_way(session):
        queries = [keys_query(layout, where), done_query(layout, where)]
        keys, done = (scan_with_connectorx(settings, [query]) for query in queries)
        return keys.cast(pl.Schema(ENERGY)), typed_done(done)
    try:
        with session.savepoint():
            return read_keys(session, layout, where), read_done(session, layout, where)
    except DatabaseError as error:
        if error.code != "timeout" or len(dates) == 1:
            raise
    sides = [scan(session, settings, layout, half, scope(half)) for half in halves(dates)]
    return pl.concat([keys for keys, _ in sides]), pl.concat([done for _, done in sides])


EPOCH = date(1970, 1, 1)


def lock(session: Session, layout: Layout, dates: Sequence[date]) -> None:
    """Waits until no other run works on these dates (at most the lock timeout), and keeps others away till the end."""
    days = ", ".join(str((day - EPOCH).days) for day in sorted(dates))
    session.execute(sql("postgres/lock_dates", space=str(layout.lock_space), days=f"array[{days}]::int4[]"))


@dataclass(frozen=True)
class Undated:
    """Rows whose settlement date is null, infinite, before the year 1 or after 9999, which no date of a window holds.

    source: rows of the curtailment, which are invalid. stored: calculations, which are orphans.
    """

    source: int = 0
    stored: int = 0
