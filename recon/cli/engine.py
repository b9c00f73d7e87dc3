"""`--engine` and its kin: who works on the chunks of a command."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from recon.core import extras
from recon.core.errors import UsageError
from recon.core.settings import AUTO, DEFAULT_WORKERS, MOST_CONNECTIONS, EngineName, parse_workers
from recon.reconcile.engine import Engine, Threads

LOG = logging.getLogger("recon")
LONGEST_WAIT_S = 86_400


Chosen = tuple[Engine, int, Callable[[], None]]
"""The engine, the connections at work in this process that a run remembers, and how to leave the engine."""


def choose(
    workers: str | None = None,
    max_connections: str | None = None,
    engine: EngineName | None = None,
    scheduler: str | None = None,
    scheduler_file: Path | None = None,
    send_database_url: bool | None = None,
    wait_for_workers: float | None = None,
) -> Chosen:
    """What works on chunks; UsageError for options that do not fit together."""
    given = [name for name, value in locals().items() if value is not None]
    option, number = _one_number(workers, max_connections)
    if engine is not EngineName.DASK:
        if elsewhere := [name for name in given if name not in ("workers", "max_connections", "engine")]:
            raise UsageError(f"--{elsewhere[0].replace('_', '-')} is for --engine dask", "give both, or neither")
        count = None if number is None else parse_workers(number, option)
        return Threads(count), DEFAULT_WORKERS if count is None else count, lambda: None
    if find_spec("distributed") is None:
        raise UsageError("--engine dask needs Dask, which is not installed", extras.install("dask"), code="extra")
    if scheduler and scheduler_file:
        raise UsageError("--scheduler and --scheduler-file name two clusters", "give one of them")
    if scheduler_file:
        _check_scheduler_file(scheduler_file)
    wait_s = 30.0 if wait_for_workers is None else wait_for_workers
    if not 0 < wait_s <= LONGEST_WAIT_S:
        raise UsageError(f"--wait-for-workers is {wait_s:g}", f"give seconds, above 0 and up to {LONGEST_WAIT_S}")
    limit = AUTO if number is None else parse_workers(number, option, MOST_CONNECTIONS)
    if send_database_url and scheduler and not scheduler.startswith("tls://"):
        LOG.warning("the database URL goes to %s without TLS; use a tls:// scheduler", scheduler)
    from recon.reconcile.dask.engine import Dask

    dask = Dask(scheduler, scheduler_file, limit, wait_s, bool(send_database_url))
    return dask, DEFAULT_WORKERS, dask.close


def _one_number(workers: str | None, max_connections: str | None) -> tuple[str, str | None]:
    """The option of two names that was given, and its text. UsageError where they contradict each other."""
    if workers and max_connections and workers != max_connections:
        said = f"--workers is {workers!r} and --max-connections is {max_connections!r}"
        raise UsageError(f"{said}, which are names of the same option", "give --workers alone")
    return ("--workers", workers) if workers is not None else ("--max-connections", max_connections)


def _check_scheduler_file(path: Path) -> None:
    """Dask would wait for it, whatever is in it."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        fit = isinstance(found, dict) and isinstance(found.get("address"), str)
        reason = "it holds no address"
    except (OSError, ValueError) as error:
        fit, reason = False, getattr(error, "strerror", None) or "it is not JSON"
    if not fit:
        raise UsageError(
            f"--scheduler-file {path} is none: {reason}", "name the file that 'dask scheduler --scheduler-file' wrote"
        )
