"""What runs on a worker of a cluster."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache, partial
from typing import Any, TypeVar

from recon.core.errors import ReconError, UsageError
from recon.core.settings import Settings
from recon.core.version import __version__
from recon.postgres.pool import Pool
from recon.postgres.session import connect
from recon.postgres.stopping import silence
from recon.reconcile.dask import pickling

ASK_EVERY_S = 1.0
T = TypeVar("T")


@dataclass(frozen=True)
class Order:
    """What workers are to do, packed, and the version of recon that can read it. It may hold a password: Dask logs the
    arguments of what fails."""

    version: str
    packed: bytes = field(repr=False)


def dask_modules() -> Any:
    """Dask's package, which is untyped; imported only by who uses it."""
    import distributed

    return distributed


def named(address: str, error: ReconError) -> ReconError:
    """The error with the worker's address before it."""
    error.message = f"worker {address}: {error.message}"
    return error


def prepared(order: Order) -> ReconError | None:
    """On a worker: why it cannot do the work, if so. Errors are returned: what is raised stands in the worker's log."""
    try:
        _opened(order)
    except ReconError as error:
        return error
    return None


def worked(order: Order, dates: list[date]) -> bytes:
    """On a worker: one chunk, by the same function as on threads; its Outcome."""
    retries: list[tuple[Sequence[date], ReconError]] = []
    try:
        settings, name, task = _opened(order)
        with Pool(settings, name) as pool:
            chunk = partial(task, pool, dates, lambda tried, why: retries.append((tried, why)))
            results = attended(chunk, name)
    except ReconError as error:
        return pickling.packed_results((retries, [], named(dask_modules().get_worker().address, error)))
    return pickling.packed_results((retries, results, None))


def attended(chunk: Callable[[], T], name: str) -> T:
    """What the chunk returns. It is left alone, with its thread, once the server is silent to sessions of that name:
    nothing else ends a wait for a connection that is half-open.
    """
    result: Future[T] = Future()

    def run() -> None:
        try:
            result.set_result(chunk())
        except BaseException as error:  # noqa: BLE001 raised where the result is waited for
            result.set_exception(error)

    threading.Thread(target=run, daemon=True, name="chunk").start()
    while not wait([result], timeout=ASK_EVERY_S).done:
        if error := silence(name):
            raise error
    return result.result()


@lru_cache(maxsize=4)
def _opened(order: Order) -> tuple[Settings, str, Any]:
    """Settings, sessions' name and task. Who has opened an order was fit for it, and is not looked at again."""
    if order.version != __version__:
        raise UsageError(
            f"it has version {__version__} of recon, and {order.version} is asked for",
            "install the same version everywhere",
            code="version",
        )
    settings, name, database, task = pickling.unpack(order.packed)
    with connect(settings, name) as session:
        (here,) = session.query("reconcile/database")
    if here["identity"] != database:
        raise UsageError(
            f"it is connected to another database ({here['identity']}, not {database})",
            "give every worker the database URL of the command",
            code="other_database",
        )
    return settings, name, task
