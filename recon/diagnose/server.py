"""What the server says of itself: limits, tables, other sessions; and how fast it takes rows."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl

from recon.core.errors import DatabaseError
from recon.core.names import Table, TableName, quote_identifier
from recon.core.schema import CALC_KEY
from recon.core.suggestions import Advice, Suggestion
from recon.diagnose.checks import FAIL, OK, SKIP, WARN, Check
from recon.postgres.errors import WITHOUT_STANDBY
from recon.postgres.invalid_index import InvalidIndex, invalid_indexes
from recon.postgres.layout import Layout
from recon.postgres.obstacles import standby_away
from recon.postgres.session import Session
from recon.postgres.superfluous_index import SuperfluousIndex, superfluous_indexes

NEEDS_MS: dict[str, tuple[int, int, Callable[[str], Advice]]] = {
    "statement_timeout": (1_000, 5_000, lambda _: Suggestion("fix", 5, "--statement-timeout", 120)),
    "lock_timeout": (100, 1_000, lambda _: Suggestion("fix", "--lock-timeout", 30)),
    "idle_in_transaction_session_timeout": (1_000, 10_000, lambda _: Suggestion("fix", "--idle-timeout", 60)),
    "idle_session_timeout": (5_000, 60_000, lambda role: f"ALTER ROLE {role} SET idle_session_timeout = 0;"),
    "transaction_timeout": (
        *(5_000, 30_000),
        lambda role: (f"ALTER ROLE {role} SET transaction_timeout = 0;  -- or: ", Suggestion("fix", 1)),
    ),
}
"""Per setting: fails below, warns below (a chunk needs seconds), what to do about a role's. 0 means no limit."""
LONG_S = 30.0
IDLE_S = 5.0
DEAD_SHARE, MANY_DEAD = 0.2, 10_000
PROBE_ROWS = 100_000
SLOW_ROWS_PER_S = 20_000
LEAST_FREE_BYTES = 500 * 2**20


def settings_checks(session: Session, connect_s: float) -> Iterator[Check]:
    """Settings that end work early, against what a chunk needs; the level says who set them."""
    for row in session.query("diagnose/settings"):
        name, value, unit = row["name"], float(row["value"]), row["unit"]
        if name not in NEEDS_MS:
            detail = f"set for the {row['level']}" if value else "the operating system's own; recon sets its own"
            yield Check(name, OK, value or None, unit, None, detail)
            continue
        least, enough, advise = NEEDS_MS[name]
        state = OK if not value or value >= enough else FAIL if value < least else WARN
        detail = f"{value:,.0f} {unit}, set for the {row['level']}" if value else "no limit"
        remedy = advise(row["role_name"]) if state != OK else ""
        yield Check(name, state, value or None, "ms", enough, detail, remedy)
    slow = connect_s < 2
    advice = Suggestion("fix", "--connect-timeout", 10) if slow else ""
    yield Check("connect_timeout", WARN if slow else OK, connect_s, "s", 2, "of this program", advice)


def standby_check(session: Session) -> Iterator[Check]:
    """Whether a commit would wait for a synchronous standby that is not there."""
    away = standby_away(session)
    advice = f"{WITHOUT_STANDBY}  -- or have it back" if away else ""
    yield Check("synchronous_standby", FAIL if away else OK, detail=away or "", advice=advice)


def table_checks(session: Session, layout: Layout) -> Iterator[Check]:
    """Rows, size and upkeep of both tables, and the indexes that a run uses."""
    for table, oid in ((layout.curtailment, layout.curtailment_oid), (layout.calculations, layout.calculations_oid)):
        try:
            yield _upkeep(table.name.name, table.name.quoted, session.query("diagnose/table", oid)[0])
        except DatabaseError as error:  # its size needs a lock, which a session that rewrites the table holds
            yield Check(f"table_{table.name.name}", SKIP, detail=error.message)
        yield _date_index(table, session.query("diagnose/index", oid, dict(table.columns)["settlement_date"])[0])
        for index in invalid_indexes(session, layout, oid):
            yield _invalid_index(table, index)
    if layout.unique_index:
        yield Check("unique_index", OK)
    else:
        detail = f"no unique index on {', '.join(CALC_KEY)}"
        yield Check("unique_index", WARN, detail=detail, advice=layout.index_statement + ";")
    for superfluous in superfluous_indexes(session, layout):
        yield _superfluous_index(superfluous)


def _superfluous_index(index: SuperfluousIndex) -> Check:
    """One that costs time and is no fault: nothing goes wrong with it."""
    return Check("superfluous_index", OK, detail=index.why, advice=index.drop)


def _invalid_index(table: Table, index: InvalidIndex) -> Check:
    """One that was left unfinished costs every write and helps no query."""
    detail = f"{index.name} of {table.name} is INVALID"
    if index.is_being_built:
        return Check("invalid_index", OK, detail=f"{detail}: it is being built")
    return Check("invalid_index", WARN, detail=f"{detail}: whoever built it was stopped", advice=index.drop)


def _date_index(table: Table, facts: dict[str, Any]) -> Check:
    """Whether chunks can find their dates. A partitioned table takes no index concurrently."""
    name, column = f"index_{table.name.name}", dict(table.columns)["settlement_date"]
    if facts["kind"] not in ("r", "p"):
        return Check(name, SKIP, detail=f"{table.name.name} is a view: the indexes of its tables count")
    if facts["found"]:
        return Check(name, OK)
    detail = f"no index of {table.name.name} begins with {column}: every chunk reads the whole table"
    how = "" if facts["kind"] == "p" else " CONCURRENTLY"
    statement = f"CREATE INDEX{how} ON {table.name.quoted} ({table.column('settlement_date')});"
    return Check(name, WARN, detail=detail, advice=statement)


def _upkeep(name: str, quoted: str, facts: dict[str, Any]) -> Check:
    rows, dead = facts["rows"], facts["dead"]
    times = f"last vacuum {_when(facts['vacuumed'])}, last analyze {_when(facts['analyzed'])}"
    detail = f"about {rows:,} rows, {facts['bytes'] / 2**20:,.1f} MiB, {dead:,} dead rows; {times}"
    bloated = dead > MANY_DEAD and dead > DEAD_SHARE * max(rows, 1)
    advice = f"VACUUM (ANALYZE) {quoted};" if bloated else ""
    return Check(f"table_{name}", WARN if bloated else OK, dead, "dead rows", MANY_DEAD, detail, advice)


def _when(text: str | None) -> str:
    return text[:16] if text else "never"


def sessions(session: Session) -> Iterator[Check]:
    """Queries that run long, transactions that sit idle, and who waits for whom."""
    rows = session.query("diagnose/sessions")
    long = [row for row in rows if row["state"] == "active" and (row["query_s"] or 0) > LONG_S]
    idle = [row for row in rows if "idle in transaction" in row["state"] and (row["state_s"] or 0) > IDLE_S]
    waiting = [row for row in rows if row["blocked_by"]]
    yield _others("long_queries", long, "query_s", f"queries over {LONG_S:.0f} s", _when_done)
    yield _others("idle_in_transaction", idle, "state_s", "idle in a transaction", _end_transaction)
    detail = "; ".join(f"{_who(row)} waits for pid {row['blocked_by']}" for row in waiting[:3])
    blockers = waiting[0]["blocked_by"] if waiting else ""
    advice = _wait_for(blockers) if waiting else ""
    yield Check("lock_waits", WARN if waiting else OK, len(waiting), "sessions", 0, detail, advice)


def _when_done(row: dict[str, Any]) -> Advice:
    longer = Suggestion("fix", 5, "--statement-timeout", 600)
    return longer.because(f"the server is busy; better when pid {row['pid']} is done")


def _end_transaction(row: dict[str, Any]) -> Advice:
    limit = f"ALTER ROLE {quote_identifier(row['role_name'])} SET idle_in_transaction_session_timeout = '60s';"
    return f"{limit}  -- for its next session; have pid {row['pid']} commit"


def _wait_for(pids: object) -> Advice:
    return Suggestion("fix", "--lock-timeout", 600).because(f"waits until pid {pids} is done")


def _others(
    name: str, rows: list[dict[str, Any]], age: str, what: str, advise: Callable[[dict[str, Any]], Advice]
) -> Check:
    if not rows:
        return Check(name, OK, 0, "sessions", 0)
    worst = max(rows, key=lambda row: row[age] or 0)
    detail = f"{what}, longest {worst[age]:.0f} s: {_who(worst)}"
    return Check(name, WARN, len(rows), "sessions", 0, detail, advise(worst))


def _who(row: dict[str, Any]) -> str:
    return f"pid {row['pid']} ({row['role_name']}{', ' + row['program'] if row['program'] else ''})"


def locks(session: Session, layout: Layout) -> Iterator[Check]:
    """Locks of others on the two tables that keep readers or writers out."""
    held = session.query("diagnose/locks", layout.curtailment_oid, layout.calculations_oid)
    detail = "; ".join(
        f"{_who(row)} holds {row['mode']} on {row['table_name']} for {row['transaction_s'] or 0:.0f} s"
        for row in held[:3]
    )
    advice = _wait_for(held[0]["pid"]) if held else ""
    yield Check("table_locks", FAIL if held else OK, len(held), "locks", 0, detail, advice)


def write_probe(session: Session) -> Iterator[Check]:
    """COPY of 100,000 rows into a temporary table, as a chunk would write them."""
    try:
        with session.transaction():
            session.execute("set local synchronous_commit = local")  # a standby that is away has a check of its own
            rate = _copy_rate(session)
    except DatabaseError as error:
        yield Check("write_probe", SKIP, detail=f"no temporary table: {error.message}")
        return
    slow = rate < SLOW_ROWS_PER_S
    advice = Suggestion("fix", 5).because("writing is slow: keeps transactions short") if slow else ""
    detail = f"{PROBE_ROWS:,} rows copied into a temporary table"
    yield Check("write_probe", WARN if slow else OK, rate, "rows/s", SLOW_ROWS_PER_S, detail, advice)


def _copy_rate(session: Session) -> float:
    """Rows per second into a temporary table, which goes with the transaction."""
    session.execute("create temporary table recon_probe (period integer, farm text, value float8) on commit drop")
    farms = pl.Series("farm", ["T_PROBE-1"]).new_from_index(0, PROBE_ROWS)
    rows = pl.DataFrame({"period": pl.int_range(PROBE_ROWS, dtype=pl.Int32, eager=True), "farm": farms})
    rows = rows.with_columns(value=pl.col("period").cast(pl.Float64))
    started = time.perf_counter()
    session.copy(TableName("recon_probe"), rows, temporary=True)
    return PROBE_ROWS / (time.perf_counter() - started)


def memory() -> Iterator[Check]:
    """What this process uses, and what the host has left."""
    facts = Path("/proc/meminfo")
    if not facts.exists():
        yield Check("memory", SKIP, detail="this system does not say")
        return
    kib = {line.split(":")[0]: int(line.split()[1]) for line in facts.read_text().splitlines() if ":" in line}
    used = int(Path("/proc/self/statm").read_text().split()[1]) * 4096
    free = kib.get("MemAvailable", 0) * 1024
    detail = f"recon uses {used / 2**20:,.0f} MiB; the host has {free / 2**20:,.0f} MiB to spare"
    tight = free < LEAST_FREE_BYTES
    advice = Suggestion("fix", 5, "--workers", 1).because("needs the least memory") if tight else ""
    yield Check("memory", WARN if tight else OK, free, "B", LEAST_FREE_BYTES, detail, advice)
