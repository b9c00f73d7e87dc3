"""`--engine` and its kin: who works on the chunks of a command."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from recon.core import extras
from recon.core.errors import UsageError
from recon.core.settings import AUTO, MOST_CONNECTIONS, EngineName, parse_workers
from recon.reconcile.engine import Engine, threads

LOG = logging.getLogger("recon")
LONGEST_WAIT_S = 86_400


def choose(
    engine: EngineName | None = None,
    scheduler: str | None = None,
    scheduler_file: Path | None = None,
    send_database_url: bool | None = None,
    max_connections: str | None = None,
    wait_for_workers: float | None = None,
) -> tuple[Engine, Callable[[], None]]:
    """The engine, and how to leave it; UsageError for options that do not fit together."""
    given = [name for name, value in locals().items() if value is not None and name != "engine"]
    if engine is not EngineName.DASK:
        if given:
            raise UsageError(f"--{given[0].replace('_', '-')} is for --engine dask", "give both, or neither")
        return threads, lambda: None
    if find_spec("distributed") is None:
        raise UsageError("--engine dask needs Dask, which is not installed", extras.install("dask"), code="extra")
    if scheduler and scheduler_file:
        raise UsageError("--scheduler and --scheduler-file name two clusters", "give one of them")
    if scheduler_file:
        _check_scheduler_file(scheduler_file)
    wait_s = 30.0 if wait_for_workers is None else wait_for_workers
    if not 0 < wait_s <= LONGEST_WAIT_S:
        raise UsageError(f"--wait-for-workers is {wait_s:g}", f"give seconds, above 0 and up to {LONGEST_WAIT_S}")
    limit = parse_workers(max_connections, "--max-connections", MOST_CONNECTIONS) if max_connections else AUTO
    if send_database_url and scheduler and not scheduler.startswith("tls://"):
        LOG.warning("the database URL goes to %s without TLS; use a tls:// scheduler", scheduler)
    from recon.reconcile.dask.engine import Dask

    dask = Dask(scheduler, scheduler_file, limit, wait_s, bool(send_database_url))
    return dask, dask.close


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
