"""The query ladder: a simple, a moderate and a complex query against the timeouts that a run would have."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace

from recon.core.errors import DatabaseError
from recon.core.suggestions import Advice, Suggestion
from recon.core.window import Window
from recon.diagnose.checks import FAIL, OK, SKIP, WARN, Check, slowest_nodes
from recon.postgres.layout import Layout
from recon.postgres.scope import within
from recon.postgres.session import Session
from recon.postgres.sql import sql
from recon.postgres.tables import Tables

Opens = Callable[[], AbstractContextManager[Session]]
CLOSE = 0.5
"""A query that takes half of its timeout will not stay below it for long."""
LONGEST_S = 60.0
ADVICE: dict[str, Advice] = {
    "timeout": (
        *(Suggestion("fix", 5, "--statement-timeout", 600), "  # or key by key: "),
        Suggestion("minimal", "most-critical"),
    ),
    "lock": Suggestion("fix", "--lock-timeout", 600).because("waits for who holds the lock, see table_locks"),
}


def ladder(opens: Opens, layout: Layout | None) -> Iterator[Check]:
    """query_simple, query_moderate, query_complex (the survey itself), and where the survey spends its time."""
    with opens() as session:
        limit_s = _statement_timeout_s(session)
    yield _timed(opens, limit_s, "query_simple", ["select 1 as one"])
    if layout is None:
        for name in ("query_moderate", "query_complex"):
            yield Check(name, SKIP, detail="the tables could not be read")
        return
    survey = [
        Tables(session, layout).survey_query(name, within(Window()))
        for name in ("postgres/survey_source", "postgres/survey_stored")
    ]
    yield _timed(opens, limit_s, "query_moderate", [sql("diagnose/moderate", **layout.parts)])
    complex_query = _timed(opens, limit_s, "query_complex", survey)
    if complex_query.status == FAIL:
        yield complex_query
        return
    details = filter(None, (complex_query.detail, _slowest(opens, survey)))
    yield replace(complex_query, detail="; ".join(details))


def _timed(opens: Opens, limit_s: float, name: str, statements: list[str]) -> Check:
    """One rung: its time against the statement timeout of this role, and stopped at LONGEST_S in any case."""
    with opens() as session:
        started = time.perf_counter()
        try:
            with session.transaction(read_only=True):
                session.execute(f"set local statement_timeout = {min(limit_s, LONGEST_S) * 1000:.0f}")
                for statement in statements:
                    session.rows(statement)
        except DatabaseError as error:
            spent = time.perf_counter() - started
            advice = ADVICE.get(error.code, error.hint)
            return Check(name, FAIL, spent, "s", limit_s, error.message, advice)
    spent = time.perf_counter() - started
    near = spent > CLOSE * limit_s
    detail = "more than half of its timeout" if near else ""
    return Check(name, WARN if near else OK, spent, "s", limit_s, detail, ADVICE["timeout"] if near else "")


def _statement_timeout_s(session: Session) -> float:
    query = "select setting::float8 / 1000 as seconds from pg_settings where name = 'statement_timeout'"
    return float(session.rows(query)[0]["seconds"]) or LONGEST_S


def _slowest(opens: Opens, statements: list[str]) -> str:
    """The nodes of the survey's plans that take longest."""
    nodes: list[tuple[str, float]] = []
    with opens() as session:
        for statement in statements:
            try:
                nodes += slowest_nodes(session.explain(statement))
            except DatabaseError as error:
                return f"its plan could not be had: {error.message}"
    top = sorted(nodes, key=lambda node: -node[1])[:3]
    return "slowest: " + ", ".join(f"{what} {spent_ms:.0f} ms" for what, spent_ms in top)
