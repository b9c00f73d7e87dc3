"""A lease in the ledger: what only one run may do at a time. It expires by itself, so a run that
died leaves nothing to clear up; neither a transaction nor a session has to stay open for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

from recon.core.errors import DatabaseError, IncompleteError
from recon.core.settings import Settings
from recon.postgres import ledger
from recon.postgres.session import Session, connect
from recon.postgres.sql import sql

LEASE_S = 600.0
RENEW_EVERY_S = 60.0


class Lease:
    """One run's lease, taken; to be renewed as its work goes on, by one thread, and released in the end."""

    def __init__(self, settings: Settings, name: str, holder: str, what: str, application_name: str) -> None:
        self._settings, self._application_name = settings, application_name
        self._name, self._holder, self._what = name, holder, what
        self._renewed_at = time.monotonic()

    def take(self, session: Session) -> None:
        """Takes it, and creates the ledger where there is none; IncompleteError where another run holds it."""
        ledger.ensure(session)
        if not self._taken(session):
            (other,) = session.query("postgres/lease_holder", self._name) or [
                {"holder": "another run", "until": "then"}
            ]
            raise IncompleteError(
                f"another '{self._what}' is at work on these tables",
                f"let it finish (run {other['holder']}); if it died, run this again after {other['until']} UTC",
                code="busy",
            )

    def _taken(self, session: Session) -> bool:
        with session.transaction():
            return bool(session.query("postgres/lease_take", self._name, self._holder, LEASE_S))

    def renew(self) -> None:
        """Keeps it; IncompleteError once another run has it. Asks the server once a minute at most.

        Without a server no other run can take it either: it is renewed the next time.
        """
        if time.monotonic() - self._renewed_at < RENEW_EVERY_S:
            return
        with suppress(DatabaseError), connect(self._settings, self._application_name) as session:
            if not self._taken(session):
                raise IncompleteError(
                    f"this run was silent for {LEASE_S:.0f} s, and another '{self._what}' has begun since",
                    "what was committed is recorded; let the other one finish",
                    code="lease_lost",
                )
            self._renewed_at = time.monotonic()

    def renewing(self, notify: Callable[..., None]) -> Callable[..., None]:
        """A progress callback that renews the lease as well."""

        def both(*progress: object) -> None:
            self.renew()
            notify(*progress)

        return both

    def release(self) -> None:
        """Ends it, also in a run that is being stopped; where that fails it expires."""
        with suppress(DatabaseError), connect(self._settings, self._application_name, last_words=True) as session:
            session.execute(sql("postgres/lease_release"), self._name, self._holder)
