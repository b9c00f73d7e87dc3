"""Chunks on a Dask cluster. Scheduling, queues, retries after a worker's death: all of that is Dask's.

Ours is what travels (`carrying`), that every worker is fit before it writes, and how many chunks are under way at the
same time: each has one connection, and opens it for itself.
"""

from __future__ import annotations

import logging
import os
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Any

from recon.core.errors import IncompleteError, ReconError, UsageError
from recon.core.settings import AUTO, Settings
from recon.core.version import __version__
from recon.postgres.pool import Pool, free_connections
from recon.postgres.stopping import check_stop, pause
from recon.reconcile.dask import pickling
from recon.reconcile.dask.worker import Order, dask_modules, named, prepared, worked
from recon.reconcile.engine import Finished, Work

LOOK_EVERY_S = 0.02
"""How often it is looked whether a chunk has finished: a hundredth of what one takes."""
COUNT_EVERY_S = 1.0
"""How often it is looked whether there is a worker at all."""
CLOSE_S = 3.0
NO_SCHEDULER = "the Dask scheduler is gone"
SILENT = logging.CRITICAL + 1


Outcome = tuple[list[tuple[Sequence[date], ReconError]], list[Any], ReconError | None]
"""What was tried again and why, what came of a chunk, and the error that ended it."""


@dataclass
class Dask:
    """An engine on a cluster: that of a scheduler, of a scheduler's file, or one of our own on this machine.

    max_connections: chunks under way at the same time, over all workers (AUTO: as many as the server has to spare).
    patience_s: how long a cluster may be without a worker. send_url: the workers use our database URL, not their own.
    """

    scheduler: str | None = None
    scheduler_file: Path | None = None
    max_connections: int = AUTO
    patience_s: float = 30.0
    send_url: bool = False
    _client: Any = field(default=None, init=False, repr=False)
    _cluster: Any = field(default=None, init=False, repr=False)

    def __call__(self, work: Work) -> Finished:
        """The work on the cluster; a chunk whose worker dies is done by another."""
        limit, database = self._room(work.pool)
        settings = work.pool.settings
        client = self._connected(settings)
        what = (settings, work.pool.name, database, work.task)
        order = Order(__version__, pickling.packed(what, settings=settings, send_url=self.send_url))
        try:
            self._check_workers(client, order, limit)
            yield from self._results(client, work, order, limit)
        except dask_modules().comm.CommClosedError:
            raise _lost(NO_SCHEDULER) from None

    def close(self) -> None:
        """Leaves the cluster, and ends one of our own."""
        for ours in (self._client, self._cluster):
            if ours is not None:
                with suppress(Exception):
                    ours.close(timeout=CLOSE_S)

    def _room(self, pool: Pool) -> tuple[int, str]:
        """How many connections the workers may have, and which database they have to be connected to."""
        with pool.session() as session:
            free = free_connections(session)
            (database,) = session.query("reconcile/database")
        pool.close()  # this process needs none until the chunks are done
        return max(1, min(free, self.max_connections or free)), database["identity"]

    def _connected(self, settings: Settings) -> Any:
        if self._client is None:
            dask = dask_modules()
            _silence()
            if self.scheduler is None and self.scheduler_file is None:
                self._cluster = self._local_cluster(dask, settings)
            self._client = self._new_client(dask)
        return self._client

    def _local_cluster(self, dask: Any, settings: Settings) -> Any:
        """One process per core. They are children of ours, and get the database URL in their environment."""
        processes = os.cpu_count() or 1
        return dask.LocalCluster(
            n_workers=min(processes, self.max_connections or processes),
            threads_per_worker=1,
            dashboard_address="127.0.0.1:0",
            security=True,  # else every user of this machine could send it work
            env={"RECON_DATABASE_URL": settings.database_url},
            silence_logs=SILENT,
        )

    def _new_client(self, dask: Any) -> Any:
        where = {"scheduler_file": str(self.scheduler_file)} if self.scheduler_file else {}
        address = self._cluster or self.scheduler
        try:
            return dask.Client(address, timeout=max(self.patience_s, 1), set_as_default=False, name="recon", **where)
        except (OSError, ValueError, TypeError) as error:
            reason = str(error).split("\n")[0] or type(error).__name__
            raise UsageError(
                f"no Dask scheduler answers at {self.scheduler or self.scheduler_file}: {reason}",
                "start one with 'dask scheduler', or check the address and TLS",
                code="scheduler",
            ) from None

    def _check_workers(self, client: Any, order: Order, limit: int) -> None:
        """Every worker there is can do the work; the error names the first that cannot. Nothing is written before."""
        addresses = sorted(self._wait_for_workers(client))
        for first in range(0, len(addresses), limit):
            some = addresses[first : first + limit]
            found = client.run(prepared, order, workers=some, on_error="return")
            for address, error in sorted(found.items()):
                if isinstance(error, BaseException) and not isinstance(error, OSError):  # OSError: it has just gone
                    raise _unfit(address, error)

    def _wait_for_workers(self, client: Any) -> Sequence[str]:
        deadline = time.monotonic() + self.patience_s
        while not (addresses := _workers(client)):
            check_stop()
            if time.monotonic() > deadline:
                raise IncompleteError(
                    f"the cluster has had no worker for {self.patience_s:g} s",
                    "start some with 'dask worker'; 'recon resume' then goes on",
                    code="no_workers",
                )
            pause(LOOK_EVERY_S)
        return addresses

    def _results(self, client: Any, work: Work, order: Order, limit: int) -> Finished:
        run = uuid.uuid4().hex
        batches = enumerate(work.batches)

        def submitted() -> Iterator[tuple[Any, Sequence[date]]]:
            for number, dates in batches:
                options = {"key": f"recon-{run}-{number}", "priority": -number, "pure": False}
                yield client.submit(worked, order, list(dates), **options), dates

        futures = dict(islice(submitted(), limit))
        finished = dask_modules().as_completed(futures, loop=client.loop, with_results=True, raise_errors=False)
        try:
            while futures:
                future, result = self._next(client, finished)
                retries, results, error = _outcome(future, result)
                dates = futures.pop(future)
                for another, its_dates in islice(submitted(), 1):
                    futures[another] = its_dates
                    finished.add(another)
                for retried, why in retries:
                    work.retrying(retried, why)
                if error:
                    raise error
                yield dates, results
        finally:
            with suppress(Exception):
                client.cancel(list(futures), force=True)

    def _next(self, client: Any, finished: Any) -> tuple[Any, Any]:
        """The next chunk to finish; Interrupted when we are stopped, IncompleteError when nobody is left to do it."""
        counted = time.monotonic()
        while not finished.has_ready():
            check_stop()
            pause(LOOK_EVERY_S)
            if time.monotonic() - counted > COUNT_EVERY_S:
                self._wait_for_workers(client)
                counted = time.monotonic()
        found: tuple[Any, Any] = next(finished)
        return found


def _silence() -> None:
    """What Dask has to say of a death we say ourselves, in one line."""
    for name in ("asyncio", *logging.root.manager.loggerDict):
        if name.partition(".")[0] in ("asyncio", "distributed", "tornado"):
            logging.getLogger(name).setLevel(SILENT)


def _workers(client: Any) -> Sequence[str]:
    try:
        return list(client.nthreads())
    except OSError:
        raise _lost(NO_SCHEDULER) from None


def _outcome(future: Any, result: Any) -> Outcome:
    """What a chunk came to. IncompleteError when nobody could finish it, and a worker's bug as it is."""
    if future.status == "finished":
        return pickling.unpack(result)  # type: ignore[no-any-return]
    error = result[1] if isinstance(result, tuple) else result
    if isinstance(error, dask_modules().KilledWorker):
        raise _lost(f"{error.allowed_failures + 1} workers died while they worked on the same chunk")
    if isinstance(error, (ImportError, AttributeError)):  # it cannot even read what it is asked for
        raise _unfit("that has joined", error)
    if future.status == "error" and isinstance(error, BaseException):
        raise error
    raise _lost(NO_SCHEDULER)


def _lost(what: str) -> IncompleteError:
    return IncompleteError(what, "what was committed is recorded; run 'recon resume' to finish", code="cluster_lost")


def _unfit(address: str, error: BaseException) -> ReconError:
    if isinstance(error, ReconError):
        return named(address, error)
    reason = str(error).split("\n")[0]
    return UsageError(
        f"worker {address} cannot do the work: {type(error).__name__}: {reason}",
        f"install recon {__version__} with its extra dask there",
        code="worker",
    )
