"""Real PostgreSQL servers for the tests: started on directories of their own, gone when the tests are.

Every server has a watcher that stops it and deletes its files as soon as the process that started it closes the pipe
between them, be it by `close` or by its own death.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import adbc_driver_postgresql.dbapi as adbc

from recon.postgres.embedded import lifecycle
from recon.postgres.embedded.server import location, programs

CONFIGURATION = """
listen_addresses = '127.0.0.1'
max_connections = 100
shared_buffers = '32MB'
fsync = off
full_page_writes = off
autovacuum = off
logging_collector = off
log_line_prefix = '%m [%p] %a '
timezone = 'Europe/London'   # whatever recon says must not depend on it
"""
AUTHENTICATION = """
local all all               trust
host  all postgres 0.0.0.0/0 trust
host  all all      0.0.0.0/0 scram-sha-256
"""
WATCHER = """
import os, shutil, subprocess, sys
directory, uid, gid, *stop = sys.argv[1:]
sys.stdin.read()
user = {"user": int(uid), "group": int(gid), "extra_groups": ()} if os.geteuid() == 0 else {}
subprocess.run(stop, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **user)
shutil.rmtree(directory, ignore_errors=True)
"""


def embedded_programs() -> Path:
    """The programs of PostgreSQL 18 from the wheel."""
    return programs(Path(tempfile.gettempdir()))


def debian_programs() -> Path | None:
    """The programs of the newest PostgreSQL that Debian's packages installed; None without one."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda p: float(p.parts[-3]))
    return found[-1].parent if found else None


@dataclass
class Server:
    """A running server. Its superuser `postgres` needs no password; every other role does, except on the socket."""

    bindir: Path
    directory: Path
    uid: int
    gid: int
    port: int = 0
    configuration: str = field(default=CONFIGURATION, repr=False)
    stays: bool = False
    """Whether nobody stops it or counts its sessions: then one of ours is kept, as every new one costs some 50 ms."""
    _session: Any = field(default=None, repr=False)
    _one_at_a_time: threading.Lock = field(default_factory=threading.Lock, repr=False)
    """Trials side by side share that session."""
    watcher: subprocess.Popen[bytes] = field(init=False, repr=False)

    @property
    def data_dir(self) -> Path:
        return self.directory / "data"

    @property
    def log(self) -> Path:
        return self.data_dir / "server.log"

    @property
    def version(self) -> int:
        return int((self.data_dir / "PG_VERSION").read_text())

    @property
    def pid(self) -> int:
        """The postmaster's process id."""
        return int((self.data_dir / "postmaster.pid").read_text().splitlines()[0])

    @property
    def url(self) -> str:
        """The superuser's URL of the database `postgres`, by TCP."""
        return self.role_url("postgres")

    @property
    def socket_url(self) -> str:
        """The same by the Unix socket."""
        return f"postgresql://postgres@/postgres?host={self.directory}&port={self.port}"

    def role_url(self, role: str, password: str | None = None, database: str = "postgres") -> str:
        secret = f":{password}" if password else ""
        return f"postgresql://{role}{secret}@127.0.0.1:{self.port}/{database}"

    def execute(self, statement: str) -> None:
        """One statement as superuser, outside any transaction."""
        if not self.stays:
            with adbc.connect(self.url, autocommit=True) as session, session.cursor() as cursor:
                cursor.execute(statement)
            return
        with self._one_at_a_time:
            self._session = self._session or adbc.connect(self.url, autocommit=True)
            with self._session.cursor() as cursor:
                cursor.execute(statement)

    def create_database(self, name: str, template: str | None = None) -> str:
        """A new database; the superuser's URL of it."""
        # Copying files costs half of what writing them to the log does; it flushes everything first.
        cheap = " strategy file_copy" if self.version >= 15 and "fsync = off" in self.configuration else ""
        self.execute(f'create database "{name}"' + (f' template "{template}"' if template else "") + cheap)
        return self.role_url("postgres", database=name)

    def drop_database(self, name: str) -> None:
        """Ends the sessions that are still in it, too."""
        self.execute(f'drop database if exists "{name}" with (force)')

    def create_role(self, role: str, password: str) -> str:
        """A role that may log in, unless there is one of the name already; the name."""
        known = f"select from pg_roles where rolname = '{role}'"
        create = f"create role \"{role}\" login password '{password}'"
        self.execute(f"do $$ begin if not exists ({known}) then {create}; end if; end $$")
        return role

    def start(self) -> None:
        """Starts it, again or for the first time; a port that was taken meanwhile is replaced by another."""
        for attempt in (1, 2, 3):
            options = f"-p {self.port} -k {self.directory}"
            done = self.run("pg_ctl", "start", "-w", "-D", str(self.data_dir), "-l", str(self.log), "-o", options)
            if done.returncode == 0:
                return
            if attempt == 3:
                raise RuntimeError(f"{done.stderr}\n{self.log.read_text()}")
            self.port = free_port()

    def stop(self, mode: str = "fast") -> None:
        """Stops it: `fast` rolls everything back, `smart` waits for the sessions to end."""
        self.run("pg_ctl", "stop", "-w", "-m", mode, "-D", str(self.data_dir))

    def crash(self) -> None:
        """Stops it without a checkpoint: it recovers from its log at the next start."""
        self.stop("immediate")

    def kill(self, backend: int) -> None:
        """Kills one of its backends by its process id, with which the server takes all others down and recovers."""
        os.kill(backend, signal.SIGKILL)

    def run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """One of PostgreSQL's programs, as the server's user."""
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PG")} | {"LC_ALL": "C"}
        return subprocess.run(
            [str(self.bindir / program), *arguments],
            cwd=self.directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            **self._user(),
        )

    def _user(self) -> dict:
        return {"user": self.uid, "group": self.gid, "extra_groups": ()} if os.geteuid() == 0 else {}

    def _initialize(self) -> None:
        done = self.run("initdb", "-N", "-D", str(self.data_dir), "-U", "postgres", "--encoding=UTF8", "--locale=C")
        if done.returncode:
            raise RuntimeError(done.stderr)
        with (self.data_dir / "postgresql.conf").open("a") as file:
            file.write(self.configuration)
        (self.data_dir / "pg_hba.conf").write_text(AUTHENTICATION)

    def _watch(self) -> None:
        stopping = (str(self.bindir / "pg_ctl"), "stop", "-w", "-m", "immediate", "-D", str(self.data_dir))
        arguments = (str(self.directory), str(self.uid), str(self.gid), *stopping)
        self.watcher = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", WATCHER, *arguments],
            cwd="/",
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def close(self) -> None:
        """Stops the server and deletes its files."""
        assert self.watcher.stdin
        if self._session:
            self._session.close()
        self.watcher.stdin.close()
        self.watcher.wait(30)


def start_server(bindir: Path, configuration: str = CONFIGURATION, *, stays: bool = False) -> Server:
    """A new server with nothing in it; `configuration` is added to what initdb wrote."""
    directory = Path(tempfile.mkdtemp(prefix="recon-test-"))
    uid, gid = os.getuid(), os.getgid()
    if os.geteuid() == 0:
        uid, gid = _server_user()
        os.chown(directory, uid, gid)
        directory.chmod(0o755)
    server = Server(bindir, directory, uid, gid, free_port(), configuration, stays)
    server._watch()
    try:
        server._initialize()
        server.start()
    except BaseException:
        server.close()
        raise
    return server


def _server_user() -> tuple[int, int]:
    """PostgreSQL does not run as root: a user that surely exists."""
    known = {user.pw_name: user for user in pwd.getpwall()}
    user = next(known[name] for name in ("postgres", "pgserver", "nobody") if name in known)
    return user.pw_uid, user.pw_gid


@contextmanager
def temporary_home() -> Iterator[Path]:
    """A user's data directory for recon; an embedded server in it is thrown away in the end.

    Everybody may enter it: for root an embedded server's data would else be kept outside (`embedded.location`).
    """
    home = Path(tempfile.mkdtemp(prefix="recon-home-"))
    home.chmod(0o755)
    try:
        yield home
    finally:
        if (location(home) / "server").exists():
            lifecycle.reset(home)
        shutil.rmtree(home)


def free_port() -> int:
    """A TCP port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(condition, seconds: float = 10, what: str = "the condition") -> None:
    """Waits until `condition()` is true; AssertionError when it does not become so in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come true within {seconds} s"
        time.sleep(0.02)
