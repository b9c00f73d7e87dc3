"""A real PgBouncer in transaction mode before a test's server: it lends a connection for one transaction."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import adbc_driver_postgresql.dbapi as adbc
import pytest

from tests.support.servers import Server, free_port, wait_until

CONFIGURATION = """
[databases]
* = host=127.0.0.1 port={server_port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = trust
auth_file = {directory}/users.txt
pool_mode = transaction
default_pool_size = {size}
max_client_conn = 200
query_wait_timeout = 60
logfile = {directory}/pgbouncer.log
"""
"""As it comes: no startup parameter is ignored, so that one it does not know is refused."""


@dataclass
class PgBouncer:
    """A running PgBouncer, in a directory of its own."""

    directory: Path
    port: int
    process: subprocess.Popen[bytes]

    def url(self, url: str) -> str:
        """The same role and database by way of the pooler."""
        parts = urlsplit(url)
        user = parts.netloc.rpartition("@")[0]
        return parts._replace(netloc=f"{user}@127.0.0.1:{self.port}").geturl()

    def stop(self) -> None:
        """Ends it, and forgets all about it."""
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)


def start_bouncer(server: Server, size: int, passwords: Mapping[str, str]) -> PgBouncer:
    """One with `size` connections to the server, for the superuser and roles with passwords."""
    program = shutil.which("pgbouncer", path=os.environ.get("PATH", "") + ":/usr/sbin")
    if program is None:
        pytest.skip("no PgBouncer is installed")
    directory = Path(tempfile.mkdtemp(prefix="recon-pooler-"))
    port = free_port()
    text = CONFIGURATION.format(server_port=server.port, port=port, directory=directory, size=size)
    (directory / "pgbouncer.ini").write_text(text)
    users = {"postgres": "", **passwords}
    (directory / "users.txt").write_text("".join(f'"{role}" "{password}"\n' for role, password in users.items()))
    user = {}
    if os.geteuid() == 0:  # it refuses to run as root
        user = {"user": server.uid, "group": server.gid, "extra_groups": ()}
        for path in (directory, *directory.iterdir()):
            os.chown(path, server.uid, server.gid)
    process = subprocess.Popen(
        [program, "-q", str(directory / "pgbouncer.ini")],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        **user,
    )
    bouncer = PgBouncer(directory, port, process)
    try:
        wait_until(lambda: _answers(bouncer.url(server.url)), 20, "PgBouncer's first answer")
    except BaseException:
        bouncer.stop()
        raise
    return bouncer


def _answers(url: str) -> bool:
    try:
        adbc.connect(url).close()
    except adbc.Error:
        return False
    return True
