"""What the two tables look like and what they hold: preflight checks and reads."""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cache, cached_property
from typing import Any

import polars as pl

from recon import obstacles
from recon.audit import STORED
from recon.config import AUTO, Reader, Settings, Table, TableName, quote_identifier
from recon.database import Pool, Session, date_list, scan_with_connectorx, sql
from recon.errors import DatabaseError, PermissionDenied, SchemaError
from recon.partitions import halves, period_groups, split_range
from recon.report import Undated
from recon.schema import CALC_KEY, CALC_KEY_SCHEMA, ENERGY, SATOSHI_DECIMALS, FrameSchema
from recon.server_errors import row_security_denied
from recon.verification import WEIGHTS
from recon.window import Window, clock_changes

OLDEST_SERVER = 140000
SPARE_CONNECTIONS = 2
TEXTS = ("text", "varchar")
FLOATS = ("float8", "float4")
NUMBERS = ("numeric", "float8", "float4", "int2", "int4", "int8")
WHOLES: dict[str, Any] = {"int2": pl.Int16, "int4": pl.Int32, "int8": pl.Int64}
FITTING = {
    "settlement_date": (("date",), "date"),
    "settlement_period": (tuple(WHOLES), "integer"),
    "farm_id": (TEXTS, "text"),
    "miner_model": (TEXTS, "text"),
    "volume": (("numeric", *FLOATS), "numeric or float8"),
    "bitcoin_mined": (("numeric", "float8"), "numeric with at least 8 decimals, or float8"),
    "difficulty": (("numeric", "float8"), "numeric or float8"),
}
ROW_ID = "concat_ws('/', tableoid, ctid, xmin)"
"""What names a stored row to the server."""
VALUES = ("bitcoin_mined", "difficulty")
"""Columns of the calculations that a repair writes anew."""
PRICES = ("original_price", "final_price")
"""Columns of the curtailment table that are used where they exist: rows that differ in price are not copies."""
SOURCE_STATE: FrameSchema = {"settlement_date": pl.Date, "source_rows": pl.Int64, "volumes": pl.String}
"""One row per settlement date of the curtailment; two that are equal mean that no row has changed."""
HASHED_ENERGY: FrameSchema = {**ENERGY, "key_hash": pl.Int64}
"""ENERGY with the hash by which the server tells keys."""
SOURCE_ROWS: FrameSchema = {**ENERGY, "source_rows": pl.Int64, "row_mwh": pl.List(pl.Float64)}
CLOCK_CHANGES = clock_changes(2000, 2099)


@dataclass(frozen=True)
class Column:
    """One column of a user's table: its type by PostgreSQL's name, and decimals and digits of a constrained numeric."""

    base_type: str
    decimals: int | None = None
    digits: int | None = None

    @property
    def is_float(self) -> bool:
        """Whether it holds binary floating point instead of numeric."""
        return self.base_type in FLOATS

    def exact(self, name: str) -> str:
        """SQL for the column's value as numeric, digit by digit (a plain cast of float8 keeps only 15 digits)."""
        return f"{name}::text::numeric" if self.is_float else name


@dataclass(frozen=True)
class Layout:
    """The two tables as they are on this server; `parts` fills the `.sql` files in."""

    curtailment: Table
    calculations: Table
    source_columns: dict[str, Column]
    stored_columns: dict[str, Column]
    calculations_oid: int
    partitioned: bool
    unique_index: bool
    price_columns: tuple[str, ...] = ()
    curtailment_oid: int = 0
    is_table: bool = True
    """Whether the calculations are rows on disk: a view's have nothing that tells them apart but their order."""
    has_heirs: bool = False
    """Whether other tables inherit from the calculations, whose rows count while no index of the parent covers them."""
    seed: int = field(default_factory=lambda: secrets.randbits(62), repr=False)
    """Of the hashes by which keys are told: drawn anew by every command, so that nobody can prepare keys that share
    one; the workers of a run share it."""

    @cached_property
    def parts(self) -> dict[str, str]:
        """Relations and expressions by the names the SQL files use."""
        long_days = [day for day, periods in CLOCK_CHANGES.items() if periods > 48]
        short_days = [day for day, periods in CLOCK_CHANGES.items() if periods < 48]
        values = {
            "btc": self.stored_columns["bitcoin_mined"].exact("bitcoin_mined"),
            "difficulty": self.stored_columns["difficulty"].exact("difficulty"),
        }
        volume = self.source_columns["volume"].exact("volume")
        return {
            "source": self.curtailment.relation,
            "stored": self.calculations.relation,
            "stored_rows": self.calculations.stored_rows if self.is_table else self.calculations.relation,
            "row_id": ROW_ID if self.is_table else "(row_number() over ())::text",
            "volume": volume,
            **values,
            "finite": sql("finite", **values),
            "energy_mwh": sql("as_float", value=f"sum(abs({volume}))"),
            "volume_float": sql("as_float", value=volume),
            "btc_float": sql("as_float", value="bitcoin_mined"),
            "difficulty_float": sql("as_float", value="difficulty"),
            "priceable": sql("priceable", long_days=date_list(long_days), short_days=date_list(short_days)),
            "key_hash": f"hashtextextended(farm_id::text, settlement_period::int8 # {self.seed}::int8)",
            "weights": str(WEIGHTS),
        }

    @cached_property
    def raw_columns(self) -> dict[str, str]:
        """The calculations table and its own column names, for statements that change it."""
        names = {ours: self.calculations.column(ours) for ours, _ in self.calculations.columns}
        return {"table": self.calculations.name.quoted, **names}

    @property
    def key_columns(self) -> set[str]:
        """What the calculations table calls the columns of a CALC_KEY."""
        return {theirs for ours, theirs in self.calculations.columns if ours in CALC_KEY}

    @property
    def lock_space(self) -> int:
        """The first half of our advisory locks: the calculations table, as a signed 32-bit number."""
        return (self.calculations_oid ^ 0x5EC04) % 2**32 - 2**31


def inspect(
    session: Session,
    settings: Settings,
    *,
    writing: bool = False,
    removing: bool = False,
    updating: bool = False,
    models: Sequence[str] = (),
) -> Layout:
    """Both tables' layout; SchemaError or PermissionDenied names the first thing that does not fit.

    writing, removing, updating: whether rows are to be added to the calculations, taken out of them, and given other
    values; models: of which miners.
    """
    with session.transaction(read_only=True):
        layout = _inspect(session, settings, writing=writing, removing=removing, updating=updating)
        if writing:
            changing = removing or updating
            obstacles.check(session, layout.calculations, layout.calculations_oid, models, changing=changing)
        return layout


def _inspect(session: Session, settings: Settings, *, writing: bool, removing: bool, updating: bool) -> Layout:
    source_oid, stored_oid = _oids(session, settings)
    source, stored = (session.rows(sql("columns"), oid) for oid in (source_oid, stored_oid))
    if source[0]["server_version"] < OLDEST_SERVER:
        raise DatabaseError(
            f"the server is version {source[0]['server_version'] // 10000}", "recon needs PostgreSQL 14"
        )
    curtailment, calculations = _qualified(settings.curtailment, source), _qualified(settings.calculations, stored)
    source_columns = _fit(settings.curtailment, source)
    stored_columns = _fit(settings.calculations, stored)
    _may(settings.curtailment, source, "SELECT")
    _may(settings.calculations, stored, "SELECT")
    for table, rows in ((curtailment, source), (calculations, stored)):
        _check_whole(session, table, rows)
    if writing:
        _check_writing(session, settings.calculations, stored)
    if updating:
        _may(settings.calculations, stored, "UPDATE", VALUES)
    if removing:
        _may(settings.calculations, stored, "DELETE")
    return Layout(
        curtailment=curtailment,
        calculations=calculations,
        source_columns=source_columns,
        stored_columns=stored_columns,
        calculations_oid=stored_oid,
        curtailment_oid=source_oid,
        partitioned=stored[0]["kind"] == "p",
        unique_index=_unique_index(session, calculations, stored_oid),
        is_table=stored[0]["kind"] in ("r", "p", "m"),
        has_heirs=stored[0]["has_heirs"],
        price_columns=tuple(
            row["column_name"]
            for row in source
            if row["column_name"] in PRICES and row["may_select"] and row["base_type"] in NUMBERS
        ),
    )


def resolve(session: Session, settings: Settings) -> list[dict[str, Any]]:
    """What the user's search_path makes of both tables' names, in an open transaction: see `resolve.sql`."""
    names = (settings.curtailment.name.quoted, settings.calculations.name.quoted)
    with session.as_user():
        return session.rows(sql("resolve"), *names)


def _oids(session: Session, settings: Settings) -> tuple[int, int]:
    """Both tables; SchemaError names the first that there is not."""
    both = resolve(session, settings)
    for table, found in zip((settings.curtailment.name, settings.calculations.name), both, strict=True):
        if found["oid"] is None:
            where = "" if table.schema else f" (searched: {found['search_path'] or 'no schema'})"
            raise SchemaError(
                f"the database has no table {table}{where}",
                "name it with --curtailment-table or --calculations-table, or check the database in the URL",
            )
    return both[0]["oid"], both[1]["oid"]


def _qualified(table: Table, rows: list[dict[str, Any]]) -> Table:
    """The table under its full name, which means the same whatever the search_path is."""
    return replace(table, name=TableName(rows[0]["table_name"], rows[0]["schema_name"]))


def _check_whole(session: Session, table: Table, rows: list[dict[str, Any]]) -> None:
    """PermissionDenied where row security hides rows of a table: from what is left, nothing can be told."""
    if rows[0]["row_security"]:
        raise row_security_denied(rows[0]["relation"], rows[0]["role_name"])
    if rows[0]["kind"] == "v":  # it may hide rows of the tables behind it; the server then refuses
        session.execute(f"select from {table.relation} s where false")


def _unique_index(session: Session, calculations: Table, oid: int) -> bool:
    names = [theirs for ours, theirs in calculations.columns if ours in CALC_KEY]
    return bool(session.rows(sql("unique_index"), oid, names)[0]["found"])


def _fit(table: Table, rows: list[dict[str, Any]]) -> dict[str, Column]:
    found = {row["column_name"]: row for row in rows}
    fitted = {}
    for ours, theirs in table.columns:
        types, wanted = FITTING[ours]
        if theirs not in found:
            raise SchemaError(
                f"{table.name} has no column {theirs} (expected: {wanted})",
                f"rename it with --{_option(table)}-columns {ours}=NAME; it has {', '.join(found)}",
            )
        row = found[theirs]
        decimals = (row["typmod"] - 4) & 0xFFFF if row["base_type"] == "numeric" and row["typmod"] >= 4 else None
        short = ours == "bitcoin_mined" and decimals is not None and decimals < SATOSHI_DECIMALS
        if row["base_type"] not in types or short:
            raise SchemaError(
                f"{table.name}.{theirs} is {row['type_name']}, expected {wanted}",
                "change the column's type, or name another one",
            )
        digits = None if decimals is None else (row["typmod"] - 4) >> 16 & 0xFFFF
        fitted[ours] = Column(row["base_type"], decimals, digits)
    return fitted


def _option(table: Table) -> str:
    return "calculations" if "miner_model" in dict(table.columns) else "curtailment"


def _may(table: Table, rows: list[dict[str, Any]], privilege: str, some: Sequence[str] = ()) -> None:
    names = {theirs for ours, theirs in table.columns if not some or ours in some}
    refused = [r["column_name"] for r in rows if r["column_name"] in names and not r[f"may_{privilege.lower()}"]]
    if refused:
        raise _denied(rows, privilege)


def _denied(rows: list[dict[str, Any]], privilege: str, why: str = "") -> PermissionDenied:
    relation, role = rows[0]["relation"], quote_identifier(rows[0]["role_name"])
    return PermissionDenied(
        f"role {role} has no {privilege} privilege on {relation}{why}",
        f"ask its owner for: GRANT {privilege} ON {relation} TO {role}",
    )


def _check_writing(session: Session, table: Table, rows: list[dict[str, Any]]) -> None:
    _may(table, rows, "INSERT")
    if not rows[0]["may_select_whole"]:
        raise _denied(rows, "SELECT", " as a whole, by which what was written is verified (columns alone do not do)")
    if rows[0]["kind"] not in ("r", "p"):
        raise SchemaError(f"{table.name} is not a table that can be written to", "name the table behind it")
    ours = {theirs for _, theirs in table.columns}
    extra = [row["column_name"] for row in rows if row["must_be_given"] and row["column_name"] not in ours]
    if extra:
        raise SchemaError(
            f"{table.name} needs a value in {', '.join(extra)}, which recon does not know",
            "give the column a default",
        )
    sequences = [row["sequence_name"] for row in rows if row["sequence_name"] and row["column_name"] not in ours]
    refused = [row["name"] for row in session.rows(sql("sequences"), sequences)] if sequences else []
    if refused:
        role = quote_identifier(rows[0]["role_name"])
        raise PermissionDenied(
            f"role {role} has no USAGE privilege on sequence {refused[0]}",
            f"ask its owner for: GRANT USAGE ON SEQUENCE {refused[0]} TO {role}",
        )


def side_by_side(pool: Pool, workers: int) -> int:
    """How many connections may work at the same time: `workers`, or for AUTO one per processor of this machine, but
    never the last two that the server has to spare.
    """
    if workers != AUTO:
        return workers
    with pool.session() as session:
        return max(1, min(os.cpu_count() or 1, free_connections(session)))


def free_connections(session: Session) -> int:
    """How many more connections the server has to spare; the last two are left to others. Can be below 1."""
    (room,) = session.rows(sql("capacity"))
    free: int = room["allowed"] - room["reserved"] - room["used"] - SPARE_CONNECTIONS
    return free


def literal(day: date) -> str:
    """A date as SQL."""
    return f"date '{day.isoformat()}'"


def within(window: Window) -> str:
    """SQL for the settlement dates of a window."""
    first, last = window.bounds
    return f"settlement_date between {literal(first)} and {literal(last)}"


def survey_query(layout: Layout, name: str, condition: str, *, sums: bool = False) -> str:
    """SQL for one table's aggregates per date (survey_source, survey_stored or stored_btc).

    sums: of the calculations, with those of verification.Sums.
    """
    added = sql("survey_values", **layout.parts) if sums else ""
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
    ends = session.rows(sql("date_range", **layout.parts, first=literal(first), last=literal(last)))[0]
    days = _cut(ends["first_date"] or first, ends["last_date"] or first)
    return pl.concat([aggregate(session, layout, Window(*half), name) for half in days])


def undated(session: Session, layout: Layout, window: Window) -> Undated:
    """The rows with a date outside the calendar, where the window is open on that side; null ones without a window."""
    condition = beyond_the_calendar(window)
    return Undated(**session.rows(sql("undated", **layout.parts, undated=condition))[0]) if condition else Undated()


def beyond_the_calendar(window: Window) -> str:
    """SQL for such dates; empty for a window that is closed on both sides."""
    before, after = f"settlement_date < {literal(date.min)}", f"settlement_date > {literal(date.max)}"
    sides = [condition for condition, end in ((before, window.first), (after, window.last)) if end is None]
    return f"({' or '.join(sides if len(sides) == 1 else [*sides, 'settlement_date is null'])})" if sides else ""


def middle(session: Session, layout: Layout, window: Window) -> date | None:
    """A date that has about half of the window's curtailment up to it; None where there is none."""
    first, last = window.bounds
    parts = {**layout.parts, "first": literal(first), "last": literal(last)}
    column = dict(layout.curtailment.columns)["settlement_date"]
    found: date | None = session.rows(sql("survey_middle", **parts), layout.curtailment_oid, column)[0]["middle"]
    return found


def _cut(first: date, last: date) -> list[tuple[date, date]]:
    return list(split_range(first, last)) if first < last else [(first, last)]


def scope(dates: Iterable[date], periods: Iterable[int | None] | None = None) -> dict[str, str]:
    """The `{dates}` and `{periods}` of the SQL files: whole dates, or some settlement periods of them.

    None among the periods stands for rows without one: null, or beyond 32 bits, as read_done gives them.
    """
    return {"dates": date_list(dates), "periods": "true" if periods is None else _any_of(list(periods))}


def _any_of(periods: Sequence[int | None]) -> str:
    numbers = ", ".join(str(int(period)) for period in periods if period is not None)
    some = [f"settlement_period in ({numbers})"] if numbers else []
    none = ["(settlement_period between -2147483648 and 2147483647) is not true"] if None in periods else []
    return f"({' or '.join([*some, *none]) or 'false'})"


def rows_per_period(session: Session, layout: Layout, day: date) -> list[tuple[int | None, int, int]]:
    """One entry per settlement period of a date, in order, first None (see `scope`): the period, the rows of the
    curtailment, and those of the calculations.
    """
    rows = session.rows(sql("rows_per_period", **layout.parts, **scope([day])))
    return [(row["period"], row["source_rows"], row["stored_rows"]) for row in rows]


def pieces_of(session: Session, layout: Layout, day: date, models: int, max_rows: int) -> list[dict[str, str]]:
    """The scopes by which a date is read: itself, or groups of settlement periods in order where it is too large.

    models: how many rows each key should have. Each piece has at most `max_rows` calculations, stored or expected, but
    for a single larger period.
    """
    rows = [(period, max(source * models, stored)) for period, source, stored in rows_per_period(session, layout, day)]
    groups = list(period_groups(rows, max_rows))
    return [scope([day], group) for group in groups] if len(groups) > 1 else [scope([day])]


def scope_of_periods(rows: pl.DataFrame) -> dict[str, str]:
    """The scope of some settlement periods of some dates: those of the rows, and no others."""
    periods = rows.select("settlement_date", "settlement_period").drop_nulls().unique().sort(pl.all())
    listed = ", ".join(f"({literal(day)}, {period})" for day, period in periods.iter_rows())
    some = f"(settlement_date, settlement_period) in (values {listed})" if listed else "false"
    return {"dates": date_list(periods.get_column("settlement_date").unique().sort()), "periods": some}


def keys_query(layout: Layout, where: dict[str, str]) -> str:
    """SQL for the keys within a scope."""
    return sql("keys", **layout.parts, **where)


def done_query(layout: Layout, where: dict[str, str]) -> str:
    """SQL for the stored calculations within a scope."""
    return sql("done", **layout.parts, **where)


def read_keys(session: Session, layout: Layout, where: dict[str, str]) -> pl.DataFrame:
    """schema.ENERGY: one row per KEY."""
    return session.frame(keys_query(layout, where)).cast(pl.Schema(ENERGY))


def read_keys_and_state(session: Session, layout: Layout, where: dict[str, str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """HASHED_ENERGY and, as of the same moment, SOURCE_STATE."""
    queries = {"keys": keys_query(layout, where), "state": sql("source_state", **layout.parts, **where)}
    frame = session.frame(sql("keys_and_state", key_hash=layout.parts["key_hash"], **queries))
    keys, states = frame.filter(pl.col("farm_id").is_not_null()), frame.filter(pl.col("farm_id").is_null())
    return keys.select(HASHED_ENERGY.keys()).cast(pl.Schema(HASHED_ENERGY)), source_state(states)


def read_state(session: Session, layout: Layout, where: dict[str, str]) -> pl.DataFrame:
    """SOURCE_STATE as of now."""
    return source_state(session.frame(sql("source_state", **layout.parts, **where)))


def read_stored(session: Session, layout: Layout, where: dict[str, str]) -> pl.DataFrame:
    """What the survey says of the calculations of a scope now, with the sums that are verified."""
    condition = f"settlement_date = any ({where['dates']}) and {where['periods']}"
    return session.frame(survey_query(layout, "survey_stored", condition, sums=True))


def source_state(frame: pl.DataFrame) -> pl.DataFrame:
    """SOURCE_STATE in order of date; frame: has its columns, as it comes from the server."""
    return frame.select(SOURCE_STATE.keys()).cast(pl.Schema(SOURCE_STATE)).sort("settlement_date")


def read_done(session: Session, layout: Layout, where: dict[str, str]) -> pl.DataFrame:
    """One row per stored calculation. A period beyond 32 bits is no period: it comes back as null, an orphan."""
    return typed_done(session.frame(done_query(layout, where)))


def read_source_rows(session: Session, layout: Layout, where: dict[str, str]) -> pl.DataFrame:
    """One row per KEY with energy_mwh, the number of its source rows and their distinct energies (`row_mwh`)."""
    frame = session.frame(sql("source_rows", **layout.parts, **where))
    return frame.cast(pl.Schema(SOURCE_ROWS))


def read_values(session: Session, layout: Layout, where: dict[str, str], *, named: bool = True) -> pl.DataFrame:
    """audit.STORED: one row per stored calculation with its values.

    named: with what tells rows of a pair apart; for those alone that costs a quarter of the time.
    """
    parts = layout.parts if named else {**layout.parts, "row_id": "null::text"}
    frame = session.frame(sql("values", **parts, **where))
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
