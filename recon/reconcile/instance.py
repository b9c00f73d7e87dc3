"""One night at a time: the lease by which `recon daily` keeps a second instance away."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from recon.core.plan import DateResult
from recon.postgres.inspect import inspect
from recon.postgres.layout import Layout
from recon.postgres.leases import Lease
from recon.reconcile.request import Job
from recon.reconcile.watcher import Compared, Watcher


class Renewing(Watcher):
    """The run's watcher, but that the lease is renewed as the work goes on."""

    def __init__(self, watcher: Watcher, lease: Lease) -> None:
        self._watcher, self._lease = watcher, lease
        self.planned, self.wrote, self.retrying = watcher.planned, watcher.wrote, watcher.retrying  # type: ignore[method-assign]

    @contextmanager
    def comparing(self) -> Iterator[Compared]:
        """As the watcher does."""
        with self._watcher.comparing() as compared:
            yield self._lease.renewing(compared)

    def finished(self, result: DateResult) -> None:
        """One date came to its end."""
        self._lease.renew()
        self._watcher.finished(result)


@contextmanager
def only_instance(job: Job) -> Iterator[tuple[Layout, Lease]]:
    """Holds the lease by which a night is the only one on these tables, or raises because another one holds it."""
    with job.session() as session:
        layout = inspect(session, job.settings, writing=True)
        lease = Lease(job.settings, f"daily {layout.calculations_oid}", job.run_id, "recon daily", job.name)
        lease.take(session)
    try:
        yield layout, lease
    finally:
        lease.release()
