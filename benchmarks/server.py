"""A server of the benchmark's own, with the settings that PostgreSQL has by default (fsync and autovacuum included)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.servers import Server, embedded_programs, start_server

CONFIGURATION = "listen_addresses = '127.0.0.1'\n"


@contextmanager
def running() -> Iterator[Server]:
    """PostgreSQL 18 from the wheel, UTF-8 and locale C; gone with its files when the block ends."""
    server = start_server(embedded_programs(), CONFIGURATION)
    try:
        yield server
    finally:
        server.close()
