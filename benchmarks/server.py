"""A server of the benchmark's own, with the settings that PostgreSQL has by default (fsync and autovacuum included)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.servers import Server, debian_programs, embedded_programs, start_server

CONFIGURATION = "listen_addresses = '127.0.0.1'\n"
EMBEDDED, DEBIAN = "embedded", "debian"


@contextmanager
def running(kind: str = EMBEDDED) -> Iterator[Server]:
    """PostgreSQL 18 from the wheel or that of Debian's packages, UTF-8 and locale C; gone with its files when the
    block ends.
    """
    programs = debian_programs() if kind == DEBIAN else embedded_programs()
    if programs is None:
        raise SystemExit("no PostgreSQL under /usr/lib/postgresql: apt install postgresql")
    server = start_server(programs, CONFIGURATION)
    try:
        yield server
    finally:
        server.close()


def version_of(server: Server) -> str:
    """The server's version, without what its packagers add."""
    return server.run("postgres", "--version").stdout.split()[2]
