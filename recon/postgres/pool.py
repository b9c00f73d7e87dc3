"""Sessions for several threads, and how many of them the server can spare."""

from __future__ import annotations

import math
import os
import queue
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from recon.core.settings import AUTO, Settings
from recon.postgres.driver import Known
from recon.postgres.session import Session, Turns, connect


class Pool:
    """Sessions for worker threads: opened as needed, reused while they work, closed at the first error.

    One thread holds exactly one connection. `max_uses` and `max_age_s` replace a connection by a new one.
    """

    def __init__(
        self, settings: Settings, application_name: str, *, max_uses: int = 0, max_age_s: float = math.inf
    ) -> None:
        self.settings = settings
        self.name = application_name
        self._max_uses = max_uses
        self._max_age_s = max_age_s
        self._known = Known()
        self._turns = Turns()
        self._idle: queue.LifoQueue[Session] = queue.LifoQueue()

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A session for this thread alone; after an error it is not used again."""
        session = self._reusable() or connect(self.settings, self.name, known=self._known)
        session.turns = self._turns
        try:
            yield session
        except BaseException:
            session.close()
            raise
        session.uses += 1
        self._idle.put(session)

    def share_out(self, workers: int) -> None:
        """Half of so many sessions that work side by side may COPY at the same time (see Turns)."""
        self._turns = Turns(max(1, workers // 2))

    def _reusable(self) -> Session | None:
        with suppress(queue.Empty):
            session = self._idle.get_nowait()
            worn = self._max_uses and session.uses >= self._max_uses
            if not worn and time.monotonic() - session.opened_at < self._max_age_s:
                return session
            session.close()
        return None

    def close(self) -> None:
        """Closes the sessions that are not in use."""
        while not self._idle.empty():
            self._idle.get_nowait().close()
        self._known.close()


SPARE_CONNECTIONS = 2


def side_by_side(pool: Pool, workers: int) -> int:
    """How many connections may work at the same time: `workers`, or for AUTO one per processor of this machine, but
    never the last two that the server has to spare.
    """
    if workers != AUTO:
        return workers
    with pool.session() as session:
        return max(1, min(os.cpu_count() or 1, free_connections(session)))


def free_connections(session: Session) -> int:
    """How many more connections the server has to spare; the last two are left to others. Can be below 1."""
    (room,) = session.query("postgres/capacity")
    free: int = room["allowed"] - room["reserved"] - room["used"] - SPARE_CONNECTIONS
    return free
