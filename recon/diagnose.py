"""What could make a run time out, on this server, now. Read-only but for a temporary table; nobody's session is ended.

Every probe has a session and short timeouts of its own, and one that fails never hides the others.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing
from dataclasses import replace

from recon.checks import FAIL, OK, WARN, Check, Diagnosis, quantile
from recon.config import Settings, Timeouts
from recon.database import Pool, Session, connect
from recon.diagnose_network import phases
from recon.diagnose_queries import ladder
from recon.diagnose_server import locks, memory, sessions, settings_checks, table_checks, write_probe
from recon.errors import ConnectError, DatabaseError, Interrupted, ReconError
from recon.tables import Layout, inspect

NAME = "recon/diagnose"
PROBE_STATEMENT_S = 20.0
PROBE_LOCK_S = 2.0
CONNECTS = 10
ROUND_TRIPS = 10
SLOW_CONNECT_MS = 1000.0
SLOW_ROUND_TRIP_MS = 50.0
SPARE_CONNECTIONS = 2


class Scene:
    """What probes need: how to connect, how many connections at once, and the tables where they could be read."""

    def __init__(self, settings: Settings, connections: int = 3) -> None:
        self.settings = settings
        self.connections = connections
        self.layout: Layout | None = None
        given = settings.timeouts
        short = Timeouts(given.connect_s, PROBE_STATEMENT_S, PROBE_LOCK_S, given.idle_s)
        self._probing = replace(settings, timeouts=short)
        self._probes = Pool(self._probing, NAME)

    def session(self, *, own_limits: bool = False) -> AbstractContextManager[Session]:
        """A session with the probes' short timeouts; with `own_limits` those that a run would have.

        One that worked for a probe is used for the next: on a slow network, connecting takes longer than asking.
        """
        return connect(self.settings, NAME) if own_limits else self._probes.session()

    def new_session(self, *, writing: bool = False) -> Session:
        """A connection that nobody has used before; `writing` is for temporary tables, which are no one else's."""
        return connect(replace(self._probing, read_only=not writing), NAME)

    def close(self) -> None:
        """Ends the sessions."""
        self._probes.close()


Probe = Callable[[Scene], Iterator[Check]]


def analyze(settings: Settings, *, connections: int = 3) -> Diagnosis:
    """Every check. `connected` is false when no connection could be made; the phases then say how far it went."""
    with closing(Scene(settings, connections)) as scene:
        checks = list(_guarded("connecting", connecting, scene))
        if not any(check.name == "connect" and check.status != FAIL for check in checks):
            lost = ("latency", "concurrency", "query_simple", "query_moderate", "query_complex")
            checks += [Check(name, FAIL, detail="no connection") for name in lost]
            return Diagnosis("diagnose analyze", tuple(checks), connected=False)
        for name, probe in (("latency", latency), ("concurrency", concurrency), ("pooler", pooler)):
            checks += _guarded(name, probe, scene)
        checks += _guarded("settings", _settings, scene)
        checks += _look_at_tables(scene)
        checks += _guarded("queries", _ladder, scene)
        for name, probe in (("sessions", _sessions), ("locks", _locks), ("tables", _tables), ("write_probe", _write)):
            checks += _guarded(name, probe, scene)
    return Diagnosis("diagnose analyze", (*checks, *memory()))


def ladder_only(settings: Settings) -> Diagnosis:
    """The query ladder only."""
    with closing(Scene(settings)) as scene:
        try:
            checks = _look_at_tables(scene)
        except ConnectError as error:
            failed = Check("connect", FAIL, detail=error.message, advice=error.hint)
            return Diagnosis("diagnose test", (failed,), connected=False)
        checks += _guarded("queries", _ladder, scene)
    return Diagnosis("diagnose test", tuple(checks))


def _guarded(name: str, probe: Probe, scene: Scene) -> Iterator[Check]:
    """The probe's checks; its failure becomes one more."""
    try:
        yield from probe(scene)
    except Interrupted:
        raise
    except ReconError as error:
        yield Check(name, FAIL, detail=error.message, advice=error.hint)


def _look_at_tables(scene: Scene) -> list[Check]:
    """Gives the scene the tables as they are; a check only when they are not fit."""
    try:
        with scene.session() as session:
            scene.layout = inspect(session, scene.settings)
    except (Interrupted, ConnectError):
        raise
    except ReconError as error:
        return [Check("layout", FAIL, detail=error.message, advice=error.hint)]
    return []


def connecting(scene: Scene) -> Iterator[Check]:
    """Phase by phase, then whole: ten connections one after the other, unless nobody can be reached at all."""
    network = list(phases(scene.settings))
    yield from network
    limit_ms = scene.settings.timeouts.connect_s * 1000
    lost = next((check for check in network if check.status == FAIL), None)
    if lost:
        yield Check("connect", FAIL, None, "ms", limit_ms, f"not tried: {lost.detail}", lost.advice)
        return
    times, queries, failure = _connect_often(scene)
    if failure and not times:
        yield Check("connect", FAIL, None, "ms", limit_ms, failure.message, failure.hint)
        return
    p50, p95 = quantile(times, 0.5), quantile(times, 0.95)
    before_ms = sum(check.value or 0 for check in network)
    yield Check(
        "authentication", OK, max(0.0, p50 - before_ms), "ms", None, "what the phases above leave of connecting"
    )
    yield Check("first_query", OK, quantile(queries, 0.5), "ms", None, "the first query of a new connection")
    detail = f"{len(times)} connections: p50 {p50:.1f} ms, p95 {p95:.1f} ms, max {max(times):.1f} ms"
    if failure:
        advice = "use fewer connections: recon fix --workers 1"
        yield Check("connect", WARN, p95, "ms", limit_ms, f"{detail}; then {failure.message}", advice)
    elif p95 > SLOW_CONNECT_MS:
        advice = "connections are slow: keep few of them open, recon fix 60 --workers 2"
        yield Check("connect", WARN, p95, "ms", limit_ms, detail, advice)
    else:
        yield Check("connect", OK, p95, "ms", limit_ms, detail)


def _connect_often(scene: Scene) -> tuple[list[float], list[float], ConnectError | None]:
    """Milliseconds of each connection and of its first query; with the error that ended the series."""
    times: list[float] = []
    queries: list[float] = []
    for _ in range(CONNECTS):
        started = time.perf_counter()
        try:
            with scene.new_session() as session:
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


def latency(scene: Scene) -> Iterator[Check]:
    """Round trips of the smallest query."""
    times = []
    with scene.session() as session, session.transaction(read_only=True):
        for _ in range(ROUND_TRIPS):
            started = time.perf_counter()
            session.rows("select 1 as one")
            times.append((time.perf_counter() - started) * 1000)
    p50, worst = quantile(times, 0.5), max(times)
    slow = p50 > SLOW_ROUND_TRIP_MS
    advice = f"a round trip takes {p50:.0f} ms: use large batches, recon fix 60, or run recon nearer to the server"
    detail = f"{ROUND_TRIPS} round trips: p50 {p50:.2f} ms, max {worst:.2f} ms"
    yield Check("latency", WARN if slow else OK, p50, "ms", SLOW_ROUND_TRIP_MS, detail, advice if slow else "")


def concurrency(scene: Scene) -> Iterator[Check]:
    """As many connections at once as asked for, and how many are free."""
    from recon.database import sql

    with scene.session() as session:
        (room,) = session.rows(sql("diagnose_capacity"))
        free = room["allowed"] - room["reserved"] - room["used"]
        with ThreadPoolExecutor(scene.connections) as executor:
            failures = [f for f in executor.map(_try_to_connect, [scene] * scene.connections) if f]
    wanted = scene.connections
    detail = f"{wanted - len(failures)} of {wanted} connections at once" + (f"; {failures[0]}" if failures else "")
    fewer = f"recon fix --workers {max(1, min(wanted - len(failures), free))}, or recon minimal critical-date DATE"
    state = FAIL if failures else OK
    yield Check("concurrency", state, wanted - len(failures), "", wanted, detail, fewer if failures else "")
    tight = free < wanted + SPARE_CONNECTIONS
    detail = f"{room['allowed']} allowed, {room['reserved']} reserved, {room['used']} in use: {free} free"
    yield Check("headroom", WARN if tight else OK, free, "", wanted + SPARE_CONNECTIONS, detail, fewer if tight else "")


def _try_to_connect(scene: Scene) -> str | None:
    try:
        with scene.new_session() as session:
            session.rows("select pg_sleep(0.2)::text as slept")
    except DatabaseError as error:
        return error.message
    return None


def pooler(scene: Scene) -> Iterator[Check]:
    """A pooler gives a new connection an old backend, or a new backend to every transaction."""
    query = "select pg_backend_pid() as pid, extract(epoch from clock_timestamp() - backend_start)::float8 as age_s"
    query += " from pg_stat_activity where pid = pg_backend_pid()"
    with scene.new_session() as session:
        seen = [session.rows(query)[0] for _ in range(5)]
    changes = len({row["pid"] for row in seen}) > 1
    reused = (seen[0]["age_s"] or 0) > scene.settings.timeouts.connect_s
    if not changes and not reused:
        yield Check("pooler", OK, detail="none: the connection is the server's own")
        return
    how = "one backend per transaction" if changes else "a backend older than the connection"
    advice = "connect to the server itself for runs (session timeouts and locks of 'recon daily' need it)"
    yield Check("pooler", WARN, detail=f"a pooler is in between: {how}", advice=advice)


def _settings(scene: Scene) -> Iterator[Check]:
    with scene.session() as session:
        yield from settings_checks(session, scene.settings.timeouts.connect_s)


def _ladder(scene: Scene) -> Iterator[Check]:
    yield from ladder(lambda: scene.session(own_limits=True), scene.layout)


def _sessions(scene: Scene) -> Iterator[Check]:
    with scene.session() as session:
        yield from sessions(session)


def _locks(scene: Scene) -> Iterator[Check]:
    if scene.layout is not None:
        with scene.session() as session:
            yield from locks(session, scene.layout)


def _tables(scene: Scene) -> Iterator[Check]:
    if scene.layout is not None:
        with scene.session() as session:
            yield from table_checks(session, scene.layout)


def _write(scene: Scene) -> Iterator[Check]:
    with scene.new_session(writing=True) as session:
        yield from write_probe(session)
