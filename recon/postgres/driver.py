"""What the drivers are told: the connection string, the server's types learned once, ConnectorX.

It loads no Polars, so that a connection can be begun meanwhile.
"""

from __future__ import annotations

import re
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING

import adbc_driver_manager
import adbc_driver_postgresql  # type: ignore[import-untyped]
from adbc_driver_manager import AdbcConnection, AdbcDatabase

from recon.core.address import secrets_in, socket_url, with_option, with_parameters
from recon.core.errors import DatabaseError
from recon.core.settings import Settings
from recon.postgres.errors import first_error_line
from recon.postgres.transactions import PINNED, PINNED_PATH, Caller

if TYPE_CHECKING:
    import polars as pl

KEEPALIVES = {
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "60000",  # while something we sent is not acknowledged, the others do not count
}
"""A peer that has gone is noticed after one minute."""


def connection_string(settings: Settings, application_name: str) -> str:
    """The settings' URL with connect timeout, keepalives and application name added where not already given."""
    extras = {
        "connect_timeout": str(max(2, round(settings.timeouts.connect_s))),
        "application_name": application_name,
        **KEEPALIVES,
    }
    # UTF-8 wins over the URL, PGCLIENTENCODING and the database's own: the last one of a name counts.
    return with_parameters(settings.database_url, extras, always={"client_encoding": "UTF8"})


_begun: dict[str, Future[AdbcDatabase]] = {}
"""What is being learned already, by address."""


def begin(settings: Settings, application_name: str) -> None:
    """Begins with what the first session of these settings and this name will wait for, errors included."""
    address = connection_string(settings, application_name)
    executor = ThreadPoolExecutor(1, thread_name_prefix="connect")
    _begun[address] = executor.submit(_learned, address)
    executor.shutdown(wait=False)


class Known:
    """What is learned of a server once: its types by the driver, on a connection of its own, before it opens others to
    it; and what the caller's sessions are set to, by the first of them.
    """

    caller: Caller | None = None

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._database: AdbcDatabase | None = None

    def open(self, address: str) -> AdbcConnection:
        """A new connection; the address is the same each time."""
        with self._guard:
            begun = _begun.pop(address, None)
            self._database = self._database or (begun.result() if begun else _learned(address))
        return AdbcConnection(self._database)

    def close(self) -> None:
        """Forgets it, to be learned again by who connects next; the driver keeps what open connections still need."""
        database, self._database = self._database, None
        with suppress(Exception):
            if database:
                database.close()


def _learned(address: str) -> AdbcDatabase:
    """The driver's idea of the server. What it asks for that is not bound to pg_catalog, so that its connection is.

    A pooler knows no `options`, and refuses them.
    """
    try:
        database: AdbcDatabase = adbc_driver_postgresql.connect(with_option(address, "-csearch_path=pg_catalog"))
    except adbc_driver_manager.Error as error:
        if not re.search("startup parameter|option|not support|unsupported", str(error), re.IGNORECASE):
            raise
        database = adbc_driver_postgresql.connect(address)
    database.set_options(uri=address)
    return database


def scan_with_connectorx(settings: Settings, queries: list[str]) -> pl.DataFrame:
    """Rows of several read-only queries, read side by side by ConnectorX (they share no snapshot).

    The caller has spoken to the server before: ConnectorX takes 30 s to notice that none is there.
    """
    import connectorx
    import polars as pl

    try:
        table = connectorx.read_sql(
            with_option(socket_url(settings.database_url), f"-csearch_path={PINNED_PATH}"),
            queries,
            return_type="arrow",
            pre_execution_query=["begin transaction read only", *PINNED.split("; ")],
        )
    except BaseException as error:  # its PanicException is no Exception
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            raise
        line = first_error_line(str(error))
        for secret in secrets_in(settings.database_url):
            line = line.replace(secret, "***")
        raise DatabaseError(f"ConnectorX could not read: {line}", "use --reader adbc", code="reader") from None
    return pl.DataFrame(pl.from_arrow(table))
