"""One connection to the server: it sends statements, tells errors in our words, and notices a server that is silent."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import adbc_driver_manager
from adbc_driver_manager import AdbcStatement

from recon.core.address import secrets_in, without_password
from recon.core.environment import libpq_parameters
from recon.core.errors import DatabaseError
from recon.core.settings import Settings
from recon.postgres.driver import Known, connection_string
from recon.postgres.errors import STANDBY_HINT, server_spoke, state_in_english, translate
from recon.postgres.statements import Use, bound, send
from recon.postgres.stopping import current, open_sessions

SHORTEST_LIMIT_S = 0.1
"""No server ends sessions for waiting less than that."""
CONNECTING_STATEMENT_S = 240.0
"""How long the first question may take, before we know what the server allows."""
Ask = Callable[[str, str], list[dict[str, Any]]]
"""Asks the server over another connection: the name of the SQL file, what to add to the session's name."""


class Connection:
    """A connection that one thread uses, and others may `cancel` or ask for its `silence`.

    known: what connections to the same server share. ask: answers over another connection, or nothing where none can be
    made. last_words: it may still send after the order to stop.
    """

    def __init__(self, settings: Settings, name: str, known: Known, ask: Ask, *, last_words: bool) -> None:
        self.stop = current()
        self.name = name
        self.began_at: float | None = None
        """When the transaction began; None outside one."""
        self.pinned = True
        """Whether statements run under our own search_path."""
        self.timeout_s = CONNECTING_STATEMENT_S
        """After that long without an answer the server counts as lost."""
        self._settings, self._ask, self._last_words = settings, ask, last_words
        self._url, self._secrets = without_password(settings.database_url), secrets_in(settings.database_url)
        self._statement: AdbcStatement | None = None
        self._asked_at: float | None = None
        self._answered_at = time.monotonic()
        self._guard = threading.Lock()
        with self._translated(connecting=True):
            self._connection = known.open(connection_string(settings, name))
        open_sessions.add(self)

    def close(self) -> None:
        """Ends the connection; whatever was not committed is rolled back by the server."""
        with suppress(Exception):
            self._connection.close()

    def send(self, statement: str, values: Sequence[object], use: Use, *, copy: bool = True) -> Any:
        """What `use` makes of a statement with bound values. Without `copy` it takes one round trip instead of three
        (and only so an EXPLAIN works).
        """
        with self._translated(), AdbcStatement(self._connection) as asked:
            self._statement = asked
            self._asked_at = time.monotonic()
            try:
                if not copy:
                    asked.set_options(**{"adbc.postgresql.use_copy": "false"})
                if statement:
                    asked.set_sql_query(statement)
                if values:
                    asked.bind_stream(bound(values))
                return use(asked)
            finally:
                self._asked_at, self._answered_at = None, time.monotonic()
                with self._guard:
                    self._statement = None

    def send_text(self, text: str) -> None:
        """Sends some statements of no parameters and no rows, as one message."""
        self.send(text, (), send)

    def cancel(self) -> None:
        """Asks the server to stop what this connection is doing; for another thread to call."""
        if not self._guard.acquire(blocking=False):
            return  # it is ending by itself, or has been asked
        try:
            if self._statement is not None and not self._last_words:
                with suppress(Exception):
                    self._statement.cancel()
        finally:
            self._guard.release()

    def silence(self) -> DatabaseError | None:
        """That the server should have answered long ago; for another thread to ask."""
        asked_at = self._asked_at
        if asked_at is None or time.monotonic() - asked_at < self.timeout_s:
            return None
        if any(row["waits"] for row in self._ask("postgres/waits_for_standby", "/why")):
            why = "a commit waits for the server's synchronous standby, which is away"
            return DatabaseError(f"{why}: no answer for {self.timeout_s:.0f} s", STANDBY_HINT, code="standby")
        return DatabaseError(
            f"the server did not answer for {self.timeout_s:.0f} s",
            "see 'recon diagnose'; then run 'recon resume'",
            code="lost",
        )

    @contextmanager
    def _translated(self, *, connecting: bool = False) -> Iterator[None]:
        self._check_stop()
        answered_at = self._answered_at
        waited_s = time.monotonic() - answered_at
        began = self.began_at is not None and answered_at >= self.began_at
        try:
            yield
        except adbc_driver_manager.Error as error:
            self._check_stop()
            state = error.sqlstate or (
                self._refusal(str(error)) if connecting else self._ended_by(str(error), waited_s, began=began)
            )
            pinned, url = self.pinned, self._url
            raise translate(error, url, self._secrets, connecting=connecting, sqlstate=state, pinned=pinned) from None

    def _refusal(self, said: str) -> str | None:
        """The SQLSTATE of a refused connection: asked for again where libpq has only words in another language."""
        from recon.postgres import handshake

        return state_in_english(said) or handshake.sqlstate(said, libpq_parameters(self._settings.database_url))

    def _ended_by(self, said: str, waited_s: float, *, began: bool) -> str | None:
        """The SQLSTATE by which the server ended the session while it waited for us: that message comes without one.

        In another language it is told by the limits that a new session has, and by how long this one waited, with or
        without a transaction that had begun.
        """
        known = state_in_english(said)
        if known or not server_spoke(said) or waited_s < SHORTEST_LIMIT_S:
            return known
        spent_s = {"57P05": waited_s}
        if began and self.began_at is not None:
            spent_s = {"25P03": waited_s, "25P04": time.monotonic() - self.began_at}
        limits = next(iter(self._ask("postgres/session_limits", "")), {})
        return next((state for state, spent in spent_s.items() if spent >= (limits.get(state) or math.inf)), None)

    def _check_stop(self) -> None:
        if not self._last_words:
            self.stop.check()
