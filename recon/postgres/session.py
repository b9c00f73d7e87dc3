"""Sessions on the server: the only module that knows a driver.

Every statement runs in a transaction, and transactions are explicit, so that BEGIN, COMMIT and ROLLBACK are
statements of ours whose outcome is known; all settings are local to them (`transactions`). Drivers' exceptions never
leave this module: they become `DatabaseError` with one line and a next step.

The driver is used by its own interface, not by its DB-API: importing that takes as long as half of Polars.
"""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from typing import Any

import adbc_driver_manager
import polars as pl
from adbc_driver_manager import AdbcStatement

from recon.core.address import secrets_in, without_password
from recon.core.environment import libpq_parameters
from recon.core.errors import DatabaseError, ReconError, UsageError
from recon.core.names import TableName
from recon.core.settings import Settings
from recon.postgres.driver import Known, connection_string
from recon.postgres.errors import STANDBY_HINT, server_spoke, told_in_english, translate
from recon.postgres.profile import moved, stage
from recon.postgres.sql import sql
from recon.postgres.statements import Use, append_to, bound, ignore_rows, read_table, send
from recon.postgres.stopping import current, open_sessions
from recon.postgres.transactions import PINNED, Caller

SHORTEST_LIMIT_S = 0.1
"""No server ends sessions for waiting less than that."""
QUEUE_S = 120.0
"""How long a pooler may let a transaction wait for a connection (PgBouncer's own `query_wait_timeout`)."""
CONNECTING_STATEMENT_S = 240.0
"""How long the first question may take, before we know what the server allows."""
STATEMENTS_IN_ONE = 2
"""What we call one statement may be prepared first; either can take as long as the statement timeout allows."""


class Session:
    """One connection. Values are bound ($1, $2, ...); frames come back as Polars; not shared between threads,
    except for `cancel`, which another thread may call.
    """

    def __init__(
        self, settings: Settings, application_name: str, *, last_words: bool = False, known: Known | None = None
    ) -> None:
        self.stop = current()
        self._last_words = last_words
        self._settings = settings
        self._in_transaction = self._is_user = self._was_user = False
        self.name = application_name
        self.opened_at = time.monotonic()
        self.uses = 0
        self._known, self._is_shared = known or Known(), known is not None
        self._secrets = secrets_in(settings.database_url)
        self._settings = settings
        self._url = without_password(settings.database_url)
        self._statement: AdbcStatement | None = None
        self._asked_at: float | None = None
        self._answered_at = self._began_at = self.opened_at
        self._patience_s = CONNECTING_STATEMENT_S
        self._guard = threading.Lock()
        with self._translated(connecting=True):
            self._connection = self._known.open(connection_string(settings, application_name))
        open_sessions.add(self)

    @property
    def is_pooled(self) -> bool:
        """Whether a pooler stands between us and the server, which lends a connection for one transaction."""
        if self._known.caller is None:
            with self.transaction(read_only=True):
                pass
        assert self._known.caller
        return self._known.caller.is_pooled

    def silence(self) -> DatabaseError | None:
        """That the server should have answered long ago; for another thread to ask."""
        asked_at = self._asked_at
        if asked_at is None or time.monotonic() - asked_at < self._patience_s:
            return None
        if self._waits_for_standby():
            why = "a commit waits for the server's synchronous standby, which is away"
            return DatabaseError(f"{why}: no answer for {self._patience_s:.0f} s", STANDBY_HINT, code="standby")
        return DatabaseError(
            f"the server did not answer for {self._patience_s:.0f} s",
            "see 'recon diagnose'; then run 'recon resume'",
            code="lost",
        )

    def _waits_for_standby(self) -> bool:
        """Whether that is what a session of this name waits for, as another one sees it."""
        with suppress(ReconError), Session(self._settings, f"{self.name}/why", last_words=True) as other:
            return bool(other.rows(sql("postgres/waits_for_standby"), self.name)[0]["waits"])
        return False

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the connection; whatever was not committed is rolled back by the server."""
        with suppress(Exception):
            self._connection.close()
        if not self._is_shared:
            self._known.close()

    def frame(self, statement: str, *values: object) -> pl.DataFrame:
        """The rows of one statement, as a frame; read with COPY, which is quickest for many rows."""
        return self._frame(statement, values, copy=True)

    def rows(self, statement: str, *values: object) -> list[dict[str, Any]]:
        """The rows of one small result, each a dictionary."""
        return self._frame(statement, values, copy=False).to_dicts()

    def _frame(self, statement: str, values: Sequence[object], *, copy: bool) -> pl.DataFrame:
        table = self._run(statement, values, read_table, copy=copy)
        moved(bytes_in=table.nbytes)
        return pl.DataFrame(pl.from_arrow(table))

    def explain(self, statement: str) -> dict[str, Any]:
        """The plan of a statement, which is run for it: EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON)."""
        (row,) = self.rows(f"explain (analyze, buffers, format json) {statement}")
        (plan,) = json.loads(row["QUERY PLAN"])
        return dict(plan["Plan"])

    def execute(self, statement: str, *values: object) -> None:
        """Runs one statement and ignores its rows."""
        self._run(statement, values, ignore_rows, copy=False)

    def copy(self, table: TableName, frame: pl.DataFrame, *, temporary: bool = False) -> int:
        """Appends the frame to the table with binary COPY, inside the current transaction; the rows written.

        Column names and types must be the table's own: binary COPY never casts.
        """
        moved(bytes_out=int(frame.estimated_size()))

        def ingest(statement: AdbcStatement) -> int:
            statement.set_options(**append_to(table, temporary))
            statement.bind_stream(frame)
            return int(statement.execute_update())

        with nullcontext() if temporary else self.as_user(copying=True):
            return int(self._run("", (), ingest))

    @contextmanager
    def transaction(self, *, read_only: bool = False, snapshot: bool = False) -> Iterator[None]:
        """BEGIN ... COMMIT, or ROLLBACK when the block raises.

        READ COMMITTED unless `snapshot` asks for REPEATABLE READ (one view of the data for several reads).
        """
        isolation = "repeatable read" if snapshot else "read committed"
        # Never "read write": that would override the administrator's default_transaction_read_only.
        access = "read only" if read_only or self._settings.read_only else ""
        self._in_transaction, self._was_user, self._began_at = True, False, time.monotonic()
        try:
            self._begin(isolation, access)
            yield
        except BaseException:
            with suppress(ReconError):
                self._send_text("rollback")
            raise
        else:
            self.commit()
        finally:
            self._in_transaction = self._is_user = False

    def _begin(self, isolation: str, access: str) -> None:
        """BEGIN and all settings in one message; before the first one, what the server is set to without them."""
        again = ""
        caller = self._known.caller
        if caller is None:
            self._send_text("begin read only")
            rows = self._send(sql("postgres/session"), (), read_table, copy=False).to_pylist()
            settings = self._settings
            caller = Caller.parse(rows, settings.timeouts, settings.search_path, settings.database_url)
            self._known.caller, again = caller, "rollback; "
        queue_s = QUEUE_S if caller.is_pooled else 0
        self._patience_s = STATEMENTS_IN_ONE * caller.statement_s + self._settings.timeouts.connect_s + queue_s
        self._send_text(again + caller.begin(isolation, access))

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """A part of a transaction that can fail on its own: what follows goes on from before it."""
        self.execute("savepoint part")
        try:
            yield
        except ReconError:
            self.execute("rollback to part")
            raise
        self.execute("release part")

    @contextmanager
    def as_user(self, *, copying: bool = False) -> Iterator[None]:
        """Statements that write the user's table, on whose own search_path and row_security its triggers may count.

        Inside a transaction, whose COMMIT then runs so, too. Statements with functions or operators of ours name them
        with `pg_catalog`.
        """
        assert self._in_transaction and self._known.caller, "as_user stands inside a transaction"
        if self._is_user:
            yield
            return
        self._send_text(self._known.caller.as_user(copying=copying))
        self._is_user = self._was_user = True
        try:
            yield
        except BaseException:
            with suppress(ReconError):  # a transaction that failed takes it back by itself
                self._send_text(PINNED)
            raise
        else:
            self._send_text(PINNED)
        finally:
            self._is_user = False

    def settle_constraints(self) -> None:
        """Lets deferred constraints and triggers have their say now, not at COMMIT, when nobody looks any more."""
        with self.as_user():
            self.execute("set constraints all immediate")

    def commit(self) -> None:
        """COMMIT. When it fails without a SQLSTATE the outcome is unknown: `code` is then `commit_unknown`."""
        as_user = f"{self._known.caller.as_user()}; " if self._was_user and self._known.caller else ""
        try:
            with stage("commit"):
                self._send_text(f"{as_user}commit")
        except DatabaseError as error:
            if error.sqlstate is None or error.sqlstate.startswith(("08", "57P")):
                error.code = "commit_unknown"
            raise

    def check_direct(self, what: str) -> None:
        """UsageError where a pooler stands between, for what needs a server connection of its own."""
        if self.is_pooled:
            raise UsageError(
                f"{what} cannot be done through a pooler: it needs a connection of its own",
                "connect directly: give --database-url the server's own address and port",
                code="pooled",
            )

    def alone(self, statement: str, statement_s: float) -> None:
        """Runs a statement that may stand in no transaction, for so long at most. The one thing for which the session
        itself is set to anything, and reset afterwards; so it is refused through a pooler.
        """
        self.check_direct("this statement")
        assert self._known.caller and not self._in_transaction
        limits = f"{self._known.caller.limits('session')}; set session statement_timeout = {round(statement_s * 1000)}"
        self._patience_s = STATEMENTS_IN_ONE * statement_s + self._settings.timeouts.connect_s
        self._send_text(f"set session search_path = pg_catalog, pg_temp; {limits}")
        try:
            self._send(statement, (), ignore_rows, copy=False)
        finally:
            with suppress(ReconError):
                self._send_text("reset all")

    def cancel(self) -> None:
        """Asks the server to stop what this session is doing; for another thread to call."""
        if not self._guard.acquire(blocking=False):
            return  # it is ending by itself, or has been asked
        try:
            if self._statement is not None and not self._last_words:
                with suppress(Exception):
                    self._statement.cancel()
        finally:
            self._guard.release()

    def _run(self, statement: str, values: Sequence[object], use: Use, *, copy: bool = True) -> Any:
        """Runs a statement. Without `copy` it takes one round trip instead of three (and only so an EXPLAIN works)."""
        if not self._in_transaction:
            with self.transaction():
                return self._send(statement, values, use, copy=copy)
        return self._send(statement, values, use, copy=copy)

    def _send_text(self, text: str) -> None:
        """Sends some statements of no parameters and no rows, as one message."""
        self._send(text, (), send)

    def _send(self, statement: str, values: Sequence[object], use: Use, *, copy: bool = True) -> Any:
        with self._translated(), AdbcStatement(self._connection) as asked:
            self._statement = asked
            self._asked_at = time.monotonic()
            try:
                if not copy:
                    asked.set_options(**{"adbc.postgresql.use_copy": "false"})
                if statement:
                    asked.set_sql_query(statement)
                if values:
                    asked.bind(bound(values))
                return use(asked)
            finally:
                self._asked_at, self._answered_at = None, time.monotonic()
                with self._guard:
                    self._statement = None

    @contextmanager
    def _translated(self, *, connecting: bool = False) -> Iterator[None]:
        self._check_stop()
        answered_at = self._answered_at
        waited_s = time.monotonic() - answered_at
        began = self._in_transaction and answered_at >= self._began_at
        try:
            yield
        except adbc_driver_manager.Error as error:
            self._check_stop()
            state = error.sqlstate or (
                self._refusal(str(error)) if connecting else self._ended_by(str(error), waited_s, began=began)
            )
            pinned, url = not self._is_user, self._url
            raise translate(error, url, self._secrets, connecting=connecting, sqlstate=state, pinned=pinned) from None

    def _refusal(self, said: str) -> str | None:
        """The SQLSTATE of a refused connection: asked for again where libpq has only words in another language."""
        from recon.postgres import handshake

        return told_in_english(said) or handshake.sqlstate(said, libpq_parameters(self._settings.database_url))

    def _ended_by(self, said: str, waited_s: float, *, began: bool) -> str | None:
        """The SQLSTATE by which the server ended the session while it waited for us: that message comes without one.

        In another language it is told by the limits that a new session has, and by how long this one waited, with or
        without a transaction that had begun.
        """
        known = told_in_english(said)
        if known or not server_spoke(said) or waited_s < SHORTEST_LIMIT_S:
            return known
        spent_s = {"25P03": waited_s, "25P04": time.monotonic() - self._began_at} if began else {"57P05": waited_s}
        with suppress(ReconError), Session(self._settings, self.name, last_words=True) as new, new.transaction():
            (limits,) = new.rows(sql("postgres/session_limits"))
            return next((state for state, spent in spent_s.items() if spent >= (limits[state] or math.inf)), None)
        return None

    def _check_stop(self) -> None:
        if not self._last_words:
            self.stop.check()


def connect(
    settings: Settings, application_name: str = "recon", *, last_words: bool = False, known: Known | None = None
) -> Session:
    """A new session; ConnectError when the server does not let us in within the connect timeout.

    `last_words`: it may still speak after `stop_all`, to record that a run was interrupted. `known`: shared by
    sessions of the same settings and name, of which the first one then pays for all.
    """
    with stage("connect"):
        return Session(settings, application_name, last_words=last_words, known=known)
