"""What the server says of itself: limits, tables, other sessions; and how fast it takes rows."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from recon.checks import FAIL, OK, SKIP, WARN, Check
from recon.config import TableName
from recon.database import Session, sql
from recon.errors import DatabaseError
from recon.schema import CALC_KEY
from recon.setup import index_statement
from recon.tables import Layout

NEEDS_MS = {
    "statement_timeout": (1_000, 5_000, "recon fix 5 --statement-timeout 60"),
    "lock_timeout": (100, 1_000, "recon fix --lock-timeout 30"),
    "idle_in_transaction_session_timeout": (1_000, 10_000, "recon fix --idle-timeout 60"),
    "transaction_timeout": (5_000, 30_000, "recon fix 5, or ask for: ALTER ROLE ... SET transaction_timeout = 0"),
}
"""Per setting: fails below, warns below (a chunk needs seconds), and what to do. 0 means no limit."""
LONG_S = 30.0
IDLE_S = 5.0
DEAD_SHARE, MANY_DEAD = 0.2, 10_000
PROBE_ROWS = 100_000
SLOW_ROWS_PER_S = 20_000
LEAST_FREE_BYTES = 500 * 2**20


def settings_checks(session: Session, connect_s: float) -> Iterator[Check]:
    """Settings that end work early, against what a chunk needs; the level says who set them."""
    for row in session.rows(sql("diagnose_settings")):
        name, value, unit = row["name"], float(row["value"]), row["unit"]
        shown = f"{row['value']} {unit}".strip() if value else "no limit"
        detail = f"{row['level']}: {name}, {shown}"
        if name not in NEEDS_MS:
            yield Check(name, OK, value, unit, None, detail.replace("no limit", "the system's own"))
            continue
        least, enough, advice = NEEDS_MS[name]
        state = OK if not value or value >= enough else FAIL if value < least else WARN
        yield Check(name, state, value, "ms", enough, detail, advice if state != OK else "")
    slow = connect_s < 2
    advice = "recon --connect-timeout 10 ..." if slow else ""
    yield Check("connect_timeout", WARN if slow else OK, connect_s, "s", 2, f"client: {connect_s:g} s", advice)


def table_checks(session: Session, layout: Layout) -> Iterator[Check]:
    """Rows, size and upkeep of both tables, and the indexes that a run uses."""
    for table, oid in ((layout.curtailment, layout.curtailment_oid), (layout.calculations, layout.calculations_oid)):
        (found,) = session.rows(sql("diagnose_table"), oid)
        yield _upkeep(str(table.name), table.name.quoted, found)
        column = dict(table.columns)["settlement_date"]
        indexed = session.rows(sql("diagnose_index"), oid, column)[0]["found"]
        statement = f"CREATE INDEX CONCURRENTLY ON {table.name.quoted} ({table.column('settlement_date')});"
        detail = "" if indexed else f"no index of {table.name} begins with {column}: every chunk reads the whole table"
        yield _index(f"index_{table.name.name}", bool(indexed), detail, statement)
    missing = f"no unique index on {', '.join(CALC_KEY)}"
    yield _index("unique_index", layout.unique_index, missing, index_statement(layout) + ";")


def _index(name: str, there: bool, detail: str, statement: str) -> Check:
    return Check(name, OK, detail="there") if there else Check(name, WARN, detail=detail, advice=statement)


def _upkeep(name: str, quoted: str, found: dict[str, Any]) -> Check:
    rows, dead = found["rows"], found["dead"]
    times = f"vacuumed {_when(found['vacuumed'])}, analyzed {_when(found['analyzed'])}"
    detail = f"about {rows:,} rows, {found['bytes'] / 2**20:,.1f} MiB, {dead:,} dead rows, {times}"
    bloated = dead > MANY_DEAD and dead > DEAD_SHARE * max(rows, 1)
    advice = f"VACUUM (ANALYZE) {quoted};" if bloated else ""
    return Check(f"table_{name}", WARN if bloated else OK, dead, "rows", MANY_DEAD, detail, advice)


def _when(text: str | None) -> str:
    return text[:16] if text else "never"


def sessions(session: Session) -> Iterator[Check]:
    """Queries that run long, transactions that sit idle, and who waits for whom."""
    found = session.rows(sql("diagnose_sessions"))
    long = [row for row in found if row["state"] == "active" and (row["query_s"] or 0) > LONG_S]
    idle = [row for row in found if "idle in transaction" in row["state"] and (row["state_s"] or 0) > IDLE_S]
    waiting = [row for row in found if row["blocked_by"]]
    yield _others("long_queries", long, "query_s", f"queries run for over {LONG_S:.0f} s", "wait for it to end")
    advice = "ask its owner to commit; ALTER ROLE ... SET idle_in_transaction_session_timeout = '60s' prevents it"
    yield _others("idle_in_transaction", idle, "state_s", "sessions sit idle in a transaction", advice)
    detail = "; ".join(f"{_who(row)} waits for {row['blocked_by']}" for row in waiting[:3])
    advice = "let the blocking session finish; recon --lock-timeout 120 fix waits longer" if waiting else ""
    yield Check("lock_waits", WARN if waiting else OK, len(waiting), "sessions", 0, detail or "none", advice)


def _others(name: str, rows: list[dict[str, Any]], age: str, what: str, advice: str) -> Check:
    if not rows:
        return Check(name, OK, 0, "sessions", 0, "none")
    worst = max(rows, key=lambda row: row[age] or 0)
    detail = f"{len(rows)} {what}; longest {_who(worst)}, {worst[age]:.0f} s"
    return Check(name, WARN, len(rows), "sessions", 0, detail, advice)


def _who(row: dict[str, Any]) -> str:
    return f"pid {row['pid']} ({row['role_name']}{', ' + row['program'] if row['program'] else ''})"


def locks(session: Session, layout: Layout) -> Iterator[Check]:
    """Locks of others on the two tables that keep readers or writers out."""
    found = session.rows(sql("diagnose_locks"), layout.curtailment_oid, layout.calculations_oid)
    detail = "; ".join(
        f"{_who(row)} holds {row['mode']} on {row['table_name']} for {row['transaction_s'] or 0:.0f} s"
        for row in found[:3]
    )
    advice = "wait until that session commits; recon fix --lock-timeout 120 waits longer" if found else ""
    yield Check("table_locks", FAIL if found else OK, len(found), "locks", 0, detail or "none", advice)


def write_probe(session: Session) -> Iterator[Check]:
    """COPY of 100,000 rows into a temporary table, as a chunk would write them."""
    try:
        session.execute("create temporary table recon_probe (period integer, farm text, value float8)")
    except DatabaseError as error:
        yield Check("write_probe", SKIP, detail=f"no temporary table: {error.message}")
        return
    farms = pl.Series("farm", ["T_PROBE-1"]).new_from_index(0, PROBE_ROWS)
    rows = pl.DataFrame({"period": pl.int_range(PROBE_ROWS, dtype=pl.Int32, eager=True), "farm": farms})
    rows = rows.with_columns(value=pl.col("period").cast(pl.Float64))
    started = time.perf_counter()
    session.copy(TableName("recon_probe"), rows, temporary=True)
    rate = PROBE_ROWS / (time.perf_counter() - started)
    slow = rate < SLOW_ROWS_PER_S
    advice = "writing is slow: recon fix 5 keeps transactions short" if slow else ""
    detail = f"{PROBE_ROWS:,} rows copied into a temporary table, {rate:,.0f} rows/s"
    yield Check("write_probe", WARN if slow else OK, rate, "rows/s", SLOW_ROWS_PER_S, detail, advice)


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
    advice = "recon fix 5 --workers 1 needs the least" if tight else ""
    yield Check("memory", WARN if tight else OK, free, "B", LEAST_FREE_BYTES, detail, advice)
