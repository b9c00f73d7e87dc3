"""Probes of the connection: how long it takes, how many there may be, and whether a pooler stands between."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import replace

from recon.core.errors import ConnectError, DatabaseError
from recon.core.settings import Settings, Timeouts
from recon.core.suggestions import Suggestion
from recon.diagnose.checks import FAIL, OK, WARN, Check, quantile
from recon.diagnose.network import phases
from recon.postgres.layout import Layout
from recon.postgres.pool import Pool
from recon.postgres.session import Session, connect

NAME = "recon/diagnose"
PROBE_STATEMENT_S = 20.0
PROBE_LOCK_S = 1.0
CONNECTS, CONNECTING_S = 10, 10.0
"""So many connections are timed one after the other; fewer where that takes longer than CONNECTING_S in all."""
ROUND_TRIPS = 10
SLOW_CONNECT_MS = 1000.0
SLOW_ROUND_TRIP_MS = 50.0
SPARE_CONNECTIONS = 2


class Probes:
    """The sessions that checks are made with, how many connections to try at once, and the tables, once inspected."""

    def __init__(self, settings: Settings, connections: int = 3) -> None:
        self.settings = settings
        self.connections = connections
        self.layout: Layout | None = None
        given = settings.timeouts
        short = Timeouts(given.connect_s, PROBE_STATEMENT_S, PROBE_LOCK_S, given.idle_s)
        lock_s = min(given.lock_s or PROBE_LOCK_S, PROBE_LOCK_S)
        self._probing = replace(settings, timeouts=short)
        self._probes = Pool(self._probing, NAME)
        self._as_runs = Pool(replace(settings, timeouts=replace(given, lock_s=lock_s)), NAME)

    def session(self, *, own_limit: bool = False) -> AbstractContextManager[Session]:
        """A session with the probes' short timeouts; with `own_limit` a statement may take as long as in a run.

        One that worked for a probe is used for the next: on a slow network, connecting takes longer than asking.
        """
        return (self._as_runs if own_limit else self._probes).session()

    def new_session(self, *, writing: bool = False) -> Session:
        """A new connection; `writing` is for temporary tables."""
        return connect(replace(self._probing, read_only=not writing), NAME)

    def close(self) -> None:
        """Ends the sessions."""
        self._probes.close()
        self._as_runs.close()


def connecting(probes: Probes) -> Iterator[Check]:
    """The phases of connecting, then ten whole connections in turn, unless the server cannot be reached at all."""
    network = list(phases(probes.settings))
    yield from network
    limit_ms = probes.settings.timeouts.connect_s * 1000
    lost = next((check for check in network if check.status == FAIL), None)
    if lost:
        yield Check("connect", FAIL, None, "ms", limit_ms, f"not tried: {lost.detail}", lost.advice)
        return
    times, queries, failure = _connect_often(probes)
    if failure and not times:
        yield Check("connect", FAIL, None, "ms", limit_ms, failure.message, failure.hint)
        return
    p50, p95 = quantile(times, 0.5), quantile(times, 0.95)
    before_ms = sum(check.value or 0 for check in network)
    yield Check("authentication", OK, max(0.0, p50 - before_ms), "ms", None, "what connecting takes besides the above")
    yield Check("first_query", OK, quantile(queries, 0.5), "ms")
    detail = f"{len(times)} connections: p50 {p50:.1f} ms, p95 {p95:.1f} ms, max {max(times):.1f} ms"
    if failure:
        advice = Suggestion("fix", "--workers", 1).because("fewer connections")
        yield Check("connect", WARN, p95, "ms", SLOW_CONNECT_MS, f"{detail}; then {failure.message}", advice)
    else:
        slow = p95 > SLOW_CONNECT_MS
        advice = Suggestion("fix", 60, "--workers", 2).because("connecting is slow: few connections")
        yield Check("connect", WARN if slow else OK, p95, "ms", SLOW_CONNECT_MS, detail, advice if slow else "")


def _connect_often(probes: Probes) -> tuple[list[float], list[float], ConnectError | None]:
    """Milliseconds of each connection and of its first query; with the error that ended the series."""
    times: list[float] = []
    queries: list[float] = []
    until = time.perf_counter() + CONNECTING_S
    while len(times) < CONNECTS and time.perf_counter() < until:
        started = time.perf_counter()
        try:
            with probes.new_session() as session:
                connected = time.perf_counter()
                with session.transaction(read_only=True):
                    begun = time.perf_counter()
                    session.rows("select 1 as one")
                    answered = time.perf_counter()
        except ConnectError as error:
            return times, queries, error
        times.append((connected - started) * 1000)
        queries.append((answered - begun) * 1000)
    return times, queries, None


def latency(probes: Probes) -> Iterator[Check]:
    """Round trips of the smallest query."""
    times = []
    with probes.session() as session, session.transaction(read_only=True):
        for _ in range(ROUND_TRIPS):
            started = time.perf_counter()
            session.rows("select 1 as one")
            times.append((time.perf_counter() - started) * 1000)
    p50, worst = quantile(times, 0.5), max(times)
    slow = p50 > SLOW_ROUND_TRIP_MS
    why = f"large batches: a round trip takes {p50:.0f} ms; or run recon nearer to the server"
    advice = Suggestion("fix", 60).because(why)
    detail = f"{ROUND_TRIPS} round trips: p50 {p50:.2f} ms, max {worst:.2f} ms"
    yield Check("latency", WARN if slow else OK, p50, "ms", SLOW_ROUND_TRIP_MS, detail, advice if slow else "")


def concurrency(probes: Probes) -> Iterator[Check]:
    """As many connections at once as asked for, and how many are free."""
    with probes.session() as session:
        (room,) = session.query("postgres/capacity")
        free = room["allowed"] - room["reserved"] - room["used"]
        with ThreadPoolExecutor(probes.connections) as executor:
            failures = [f for f in executor.map(_try_to_connect, [probes] * probes.connections) if f]
    wanted = probes.connections
    detail = f"{wanted - len(failures)} of {wanted} connections at once" + (f"; {failures[0]}" if failures else "")
    workers = Suggestion("fix", "--workers", max(1, min(wanted - len(failures), free)))
    fewer = (workers, "  # or: ", Suggestion("minimal", "most-critical"))
    state = FAIL if failures else OK
    yield Check("concurrency", state, wanted - len(failures), "", wanted, detail, fewer if failures else "")
    tight = free < wanted + SPARE_CONNECTIONS
    detail = f"{room['allowed']} allowed, {room['reserved']} reserved, {room['used']} in use: {free} free"
    yield Check("headroom", WARN if tight else OK, free, "", wanted + SPARE_CONNECTIONS, detail, fewer if tight else "")


def _try_to_connect(probes: Probes) -> str | None:
    try:
        with probes.new_session() as session:
            session.rows("select pg_sleep(0.2)::text as slept")
    except DatabaseError as error:
        return error.message
    return None


def pooler(probes: Probes) -> Iterator[Check]:
    """A pooler connects under a name of its own, and gives a new connection an old backend or one per transaction."""
    query = "select pg_backend_pid() as pid, extract(epoch from clock_timestamp() - backend_start)::float8 as age_s"
    query += " from pg_stat_activity where pid = pg_backend_pid()"
    with probes.new_session() as session:
        seen = [session.rows(query)[0] for _ in range(5)]
        is_pooled = session.is_pooled
    changes = len({row["pid"] for row in seen}) > 1
    reused = (seen[0]["age_s"] or 0) > probes.settings.timeouts.connect_s
    if not (is_pooled or changes or reused):
        yield Check("pooler", OK, detail="none in between")
        return
    how = (
        "one backend per transaction"
        if changes
        else "a backend older than the connection"
        if reused
        else "backends are lent"
    )
    advice = (
        "give recon the server's own address for: init --unique-index, --reader connectorx, two readers in a survey"
    )
    yield Check(
        "pooler", WARN, detail=f"a pooler is in between: {how}; nothing of recon's stays on them", advice=advice
    )
