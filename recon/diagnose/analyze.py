"""What could make a run time out, on this server, now. Read-only but for a temporary table; no session is ended.

Every probe has a session and short timeouts of its own, and one that fails never hides the others.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

from recon.core.errors import ConnectError, Interrupted, ReconError
from recon.core.settings import Settings
from recon.diagnose.checks import FAIL, Check, Diagnosis
from recon.diagnose.connections import Probes, concurrency, connecting, latency, pooler
from recon.diagnose.queries import ladder
from recon.diagnose.server import locks, memory, sessions, settings_checks, standby_check, table_checks, write_probe
from recon.postgres.inspect import inspect
from recon.postgres.session import connect

Probe = Callable[[Probes], Iterator[Check]]


def analyze(settings: Settings, *, connections: int = 3) -> Diagnosis:
    """Every check. `connected` is false when no connection could be made; the phases then say how far it went."""
    with closing(Probes(settings, connections)) as probes:
        checks = list(_guarded("connecting", connecting, probes))
        if not any(check.name == "connect" and check.status != FAIL for check in checks):
            lost = ("latency", "concurrency", "query_simple", "query_moderate", "query_complex")
            checks += [Check(name, FAIL, detail="no connection") for name in lost]
            return Diagnosis("diagnose analyze", tuple(checks), connected=False)
        for name, probe in (("latency", latency), ("concurrency", concurrency), ("pooler", pooler)):
            checks += _guarded(name, probe, probes)
        checks += _guarded("settings", _settings, probes)
        checks += _look_at_tables(probes)
        checks += _guarded("queries", _ladder, probes)
        for name, probe in (("sessions", _sessions), ("locks", _locks), ("tables", _tables), ("write_probe", _write)):
            checks += _guarded(name, probe, probes)
    return Diagnosis("diagnose analyze", (*checks, *memory()))


def ladder_only(settings: Settings) -> Diagnosis:
    """The query ladder only."""
    with closing(Probes(settings)) as probes:
        try:
            checks = _look_at_tables(probes)
        except ConnectError as error:
            failed = Check("connect", FAIL, detail=error.message, advice=error.hint)
            return Diagnosis("diagnose test", (failed,), connected=False)
        checks += _guarded("queries", _ladder, probes)
    return Diagnosis("diagnose test", tuple(checks))


def _guarded(name: str, probe: Probe, probes: Probes) -> Iterator[Check]:
    """The probe's checks; its failure becomes one more."""
    try:
        yield from probe(probes)
    except Interrupted:
        raise
    except ReconError as error:
        yield Check(name, FAIL, detail=error.message, advice=error.hint)


def _look_at_tables(probes: Probes) -> list[Check]:
    """Inspects the tables for the probes; a failed check when they do not fit."""
    try:
        with probes.session() as session:
            probes.layout = inspect(session, probes.settings)
    except (Interrupted, ConnectError):
        raise
    except ReconError as error:
        return [Check("layout", FAIL, detail=error.message, advice=error.hint)]
    return []


def _settings(probes: Probes) -> Iterator[Check]:
    with probes.session() as session:
        yield from settings_checks(session, probes.settings.timeouts.connect_s)
        yield from standby_check(session)


def _ladder(probes: Probes) -> Iterator[Check]:
    yield from ladder(lambda: probes.session(own_limit=True), probes.layout)


def _sessions(probes: Probes) -> Iterator[Check]:
    with probes.session() as session:
        yield from sessions(session)


def _locks(probes: Probes) -> Iterator[Check]:
    if probes.layout is not None:
        with probes.session() as session:
            yield from locks(session, probes.layout)


def _tables(probes: Probes) -> Iterator[Check]:
    if probes.layout is not None:
        with probes.session() as session:
            yield from table_checks(session, probes.layout)


def _write(probes: Probes) -> Iterator[Check]:
    with probes.new_session(writing=True) as session:
        yield from write_probe(session)


def look(settings: Settings) -> dict[str, Any]:
    """One look of the monitor: time of a connection and a round trip (ms), sessions and those that wait."""
    look: dict[str, Any] = {}
    started = time.perf_counter()
    try:
        with connect(settings, "recon/diagnose/monitor") as session:
            look["connect_ms"] = round((time.perf_counter() - started) * 1000, 2)
            with session.transaction(read_only=True):
                started = time.perf_counter()
                session.rows("select 1 as one")
                look["latency_ms"] = round((time.perf_counter() - started) * 1000, 2)
                found = session.query("diagnose/sessions")
    except Interrupted:
        raise
    except ReconError as error:
        return look | {"connect_ms": None, "latency_ms": None, "error": error.message}
    look["sessions"] = len(found)
    look["waiting"] = sum(bool(row["blocked_by"]) for row in found)
    look["idle_in_transaction"] = sum("idle in transaction" in row["state"] for row in found)
    return look | {"error": None}
