"""Sessions on the server.

Every statement runs in a transaction, and transactions are explicit, so that BEGIN, COMMIT and ROLLBACK are
statements of ours whose outcome is known; all settings are local to them (`transactions`). Drivers' exceptions never
leave `connection`: they become `DatabaseError` with one line and a next step.

The driver is used by its own interface, not by its DB-API: importing that takes as long as half of Polars.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import polars as pl
from adbc_driver_manager import AdbcStatement

from recon.core.errors import DatabaseError, ReconError, UsageError
from recon.core.names import TableName
from recon.core.settings import Settings
from recon.postgres.connection import Connection
from recon.postgres.driver import Known
from recon.postgres.profile import moved, stage
from recon.postgres.sql import sql
from recon.postgres.statements import Use, append_to, fetched, ignore_rows, streamed
from recon.postgres.transactions import PINNED, PINNED_PATH, Caller

QUEUE_S = 120.0
"""How long a pooler may let a transaction wait for a connection (PgBouncer's own `query_wait_timeout`)."""
PATIENCE_S = 2.0
"""How long a COPY waits for its turn at the most: another's may be waiting for what this transaction holds."""
COPIED_ROWS = 4_000
"""Rows in one message of a COPY: the server stores them while the next are encoded. Sent as one message it would wait
for all of them: a seventh more time."""
STATEMENTS_IN_ONE = 2
"""What we call one statement may be prepared first; either can take as long as the statement timeout allows."""


class Turns:
    """Lets so many sessions COPY at the same time, while others read and verify: two COPYs into the same indexes take a
    server of two processors a third more time than one after the other.
    """

    def __init__(self, at_once: int = 1) -> None:
        self._free = threading.Semaphore(at_once)

    @contextmanager
    def one(self) -> Iterator[None]:
        """A turn, or none after PATIENCE_S: who waits may be what the others wait for."""
        with stage("turn"):
            has_turn = self._free.acquire(timeout=PATIENCE_S)
        try:
            yield
        finally:
            if has_turn:
                self._free.release()


class Session:
    """Statements over one connection. Values are bound ($1, $2, ...); frames come back as Polars; not shared between
    threads.
    """

    def __init__(
        self, settings: Settings, application_name: str, *, last_words: bool = False, known: Known | None = None
    ) -> None:
        self.settings = settings
        self.name = application_name
        self.opened_at = time.monotonic()
        self.uses = 0
        self.turns = Turns()
        self._known, self._is_shared = known or Known(), known is not None
        self._was_user = False
        self.connection = Connection(settings, application_name, self._known, self._ask, last_words=last_words)

    def _ask(self, statement: str, suffix: str) -> list[dict[str, Any]]:
        """What another session sees of this one; nothing where none can be made."""
        with suppress(ReconError), Session(self.settings, f"{self.name}{suffix}", last_words=True) as other:
            return other.rows(sql(statement), *([self.name] if suffix else []))
        return []

    @property
    def is_pooled(self) -> bool:
        """Whether a pooler stands between us and the server, which lends a connection for one transaction."""
        if self._known.caller is None:
            with self.transaction(read_only=True):
                pass
        assert self._known.caller
        return self._known.caller.is_pooled

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the connection; whatever was not committed is rolled back by the server."""
        self.connection.close()
        if not self._is_shared:
            self._known.close()

    def frame(self, statement: str, *values: object) -> pl.DataFrame:
        """The rows of one statement, as a frame; read with COPY, which is quickest for many rows."""
        return self._frame(statement, values, streamed, copy=True)

    def small(self, statement: str, *values: object) -> pl.DataFrame:
        """The same of a small result, all at once: in one round trip instead of three, and without PyArrow."""
        return self._frame(statement, values, fetched, copy=False)

    def rows(self, statement: str, *values: object) -> list[dict[str, Any]]:
        """The rows of one small result, each a dictionary."""
        return self.small(statement, *values).to_dicts()

    def query(self, name: str, *values: object, **parts: str) -> list[dict[str, Any]]:
        """The few rows of the statement in that SQL file; see `sql`."""
        return self.rows(sql(name, **parts), *values)

    def _frame(self, statement: str, values: Sequence[object], use: Use, *, copy: bool) -> pl.DataFrame:
        frame: pl.DataFrame = self._run(statement, values, use, copy=copy)
        moved(bytes_in=int(frame.estimated_size()))
        return frame

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
            rows = frame.to_arrow(compat_level=pl.CompatLevel.newest())  # Polars' own stream is of one piece
            statement.bind_stream(rows.to_reader(COPIED_ROWS))
            return int(statement.execute_update())

        if temporary:
            return int(self._run("", (), ingest))
        with self.turns.one(), self.as_user(copying=True):
            return int(self._run("", (), ingest))

    @contextmanager
    def transaction(self, *, read_only: bool = False, snapshot: bool = False) -> Iterator[None]:
        """BEGIN ... COMMIT, or ROLLBACK when the block raises.

        READ COMMITTED unless `snapshot` asks for REPEATABLE READ (one view of the data for several reads).
        """
        isolation = "repeatable read" if snapshot else "read committed"
        # Never "read write": that would override the administrator's default_transaction_read_only.
        access = "read only" if read_only or self.settings.read_only else ""
        self.connection.began_at, self._was_user = time.monotonic(), False
        try:
            self._begin(isolation, access)
            yield
        except BaseException:
            with suppress(ReconError):
                self.connection.send_text("rollback")
            raise
        else:
            self.commit()
        finally:
            self.connection.began_at, self.connection.pinned = None, True

    def _begin(self, isolation: str, access: str) -> None:
        """BEGIN and all settings in one message; before the first one, what the server is set to without them."""
        caller = self._known.caller
        if caller is None:
            rows = self.connection.send(sql("postgres/session"), (), fetched, copy=False).to_dicts()
            settings = self.settings
            caller = Caller.parse(rows, settings.timeouts, settings.search_path, settings.database_url)
            self._known.caller = caller
        queue_s = QUEUE_S if caller.is_pooled else 0
        self.connection.timeout_s = STATEMENTS_IN_ONE * caller.statement_s + self.settings.timeouts.connect_s + queue_s
        self.connection.send_text(caller.begin(isolation, access))

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
        if not self.connection.pinned:
            yield
            return
        self.connection.send_text(self._known.caller.as_user(copying=copying))
        self.connection.pinned, self._was_user = False, True
        try:
            yield
        except BaseException:
            with suppress(ReconError):  # a transaction that failed takes it back by itself
                self.connection.send_text(PINNED)
            raise
        else:
            self.connection.send_text(PINNED)
        finally:
            self.connection.pinned = True

    def settle_constraints(self) -> None:
        """Lets deferred constraints and triggers have their say now, not at COMMIT, when nobody looks any more."""
        with self.as_user():
            self.execute("set constraints all immediate")

    def commit(self) -> None:
        """COMMIT. When it fails without a SQLSTATE the outcome is unknown: `code` is then `commit_unknown`."""
        as_user = f"{self._known.caller.as_user()}; " if self._was_user and self._known.caller else ""
        try:
            with stage("commit"):
                self.connection.send_text(f"{as_user}commit")
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
        self.connection.timeout_s = STATEMENTS_IN_ONE * statement_s + self.settings.timeouts.connect_s
        self.connection.send_text(f"set session search_path = {PINNED_PATH}; {limits}")
        try:
            self.connection.send(statement, (), ignore_rows, copy=False)
        finally:
            with suppress(ReconError):
                self.connection.send_text("reset all")

    @property
    def _in_transaction(self) -> bool:
        return self.connection.began_at is not None

    def _run(self, statement: str, values: Sequence[object], use: Use, *, copy: bool = True) -> Any:
        """Runs a statement; in a transaction of its own where there is none."""
        if not self._in_transaction:
            with self.transaction():
                return self.connection.send(statement, values, use, copy=copy)
        return self.connection.send(statement, values, use, copy=copy)


def connect(
    settings: Settings, application_name: str = "recon", *, last_words: bool = False, known: Known | None = None
) -> Session:
    """A new session; ConnectError when the server does not let us in within the connect timeout.

    `last_words`: it may still speak after `stop_all`, to record that a run was interrupted. `known`: shared by
    sessions of the same settings and name, of which the first one then pays for all.
    """
    with stage("connect"):
        return Session(settings, application_name, last_words=last_words, known=known)
