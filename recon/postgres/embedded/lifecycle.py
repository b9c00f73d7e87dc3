"""The embedded PostgreSQL server of `recon demo` and `-d embedded`: started, joined, stopped, thrown away.

Each process that uses it holds a shared lock while it lives; a small guardian process waits for the exclusive lock and
then stops the server. So it ends with its last user, even one that was killed.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from recon.core.errors import UsageError
from recon.postgres.embedded.programs import MAJOR
from recon.postgres.embedded.server import PORT, Server, failure, find, location

__all__ = ["location", "reset", "start", "stop"]

START_S = 120
"""Recovery after a crash can take this long."""
BUSY_S = 5
READY, STARTING, NOBODY = 0, 1, 2
"""As pg_isready has it: takes connections, is about to, is not there."""
GUARDIAN = """
import fcntl, os, subprocess, sys
path, uid, gid, *stop = sys.argv[1:]
lock = os.open(path, os.O_RDWR)
fcntl.flock(lock, fcntl.LOCK_EX)
if os.path.exists(path) and os.fstat(lock).st_ino == os.stat(path).st_ino:
    user = {"user": int(uid), "group": int(gid), "extra_groups": ()} if os.geteuid() == 0 else {}
    subprocess.run(stop, **user)
"""
_held: dict[Path, int] = {}
"""The locks by which this process uses servers."""


def start(home: Path, *, new: bool = True) -> str:
    """Starts the server whose data live under `home`, or joins it when it runs; its URL.

    It stops when the last process that called this has ended. UsageError when its package is not installed, or when
    it has no data and none are to be made (`new`), DatabaseError when it does not start.
    """
    with _os_errors():
        if not new and not (location(home) / "server" / "PG_VERSION").exists():
            raise UsageError("the embedded server has no data yet", "run 'recon demo', which makes it", code="no_demo")
        server = find(home)
        _use(server)
        with _alone(server):
            if not (server.data / "PG_VERSION").exists():
                _create(server)
            _check_version(server)
            if _state(server) != READY:
                _launch(server)
                _guard(server)
    return server.url


def stop(home: Path) -> None:
    """Stops the server, if it runs; UsageError when another process uses it."""
    with _os_errors():
        server = find(home)
        with _alone(server):
            _stop(server)


def reset(home: Path) -> None:
    """Stops the server and deletes its data; UsageError when another process uses it."""
    with _os_errors():
        server = find(home)
        with _alone(server):
            _stop(server)
            for directory in (server.data, server.socket):
                if directory.exists():
                    shutil.rmtree(directory)


def _use(server: Server) -> None:
    """Holds the server for as long as this process lives; waits while a guardian stops it."""
    if server.base not in _held:
        lock = os.open(server.base / "in-use", os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(lock, fcntl.LOCK_SH)
        _held[server.base] = lock


@contextmanager
def _alone(server: Server) -> Iterator[None]:
    """Only one process at a time starts, stops or deletes the server."""
    lock = os.open(server.base / "starting", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _create(server: Server) -> None:
    """A new data directory; made under another name, since an interrupted initdb leaves one that looks whole."""
    half = server.base / "server.new"
    shutil.rmtree(half, ignore_errors=True)
    server.own(half)
    done = server.run("initdb", "-D", str(half), "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--locale=C")
    if done.returncode:
        raise failure(f"no data directory could be made: {done.stderr.strip()}")
    half.rename(server.data)


def _check_version(server: Server) -> None:
    found = (server.data / "PG_VERSION").read_text().strip()
    if found != str(MAJOR):
        raise UsageError(
            f"the data in {server.data} are those of PostgreSQL {found}, and this one is {MAJOR}",
            "'recon demo --reset' throws them away and starts over",
        )


def _state(server: Server) -> int:
    if not (server.data / "postmaster.pid").exists():
        return NOBODY
    return server.run("pg_isready", "-q", "-h", str(server.socket), "-p", PORT).returncode


def _launch(server: Server) -> None:
    """Starts the server and waits until it takes connections. Paths are relative: pg_ctl builds a shell command."""
    server.own(server.socket)
    files = ("-D", "server", "-l", "server/server.log", "-o", f"-h '' -p {PORT} -k {server.socket}")
    deadline, failures = time.monotonic() + START_S, 0
    while (state := _state(server)) != READY:
        if state != STARTING:
            failures += server.run("pg_ctl", "start", "-w", "-t", str(START_S), *files).returncode != 0
        if failures == 3 or time.monotonic() > deadline:
            raise failure(f"it does not start: {_complaint(server.data / 'server.log')}")
        if failures or state == STARTING:
            time.sleep(0.5)


def _complaint(log: Path) -> str:
    """The last complaint in the server's log."""
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    complaints = [line for line in lines if re.search("FATAL|PANIC|ERROR|could not", line)]
    return f"{(complaints or lines or ['no reason given'])[-1]} ({log})"


def _guard(server: Server) -> None:
    """Starts the guardian process, which stops the server after its last user."""
    stopping = (str(server.programs / "pg_ctl"), "stop", "-m", "fast", "-D", str(server.data))
    arguments = (str(server.base / "in-use"), str(server.user.uid), str(server.user.gid), *stopping)
    subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", GUARDIAN, *arguments],
        cwd=server.base,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ).returncode = 0  # it outlives us: no wait for it, and no warning that there was none


def _stop(server: Server) -> None:
    if server.base in _held:
        os.close(_held.pop(server.base))
    lock = os.open(server.base / "in-use", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _wait_for_users(lock, server)
        if _state(server) != NOBODY:
            server.run("pg_ctl", "stop", "-m", "fast", "-D", str(server.data))
    finally:
        os.close(lock)


def _wait_for_users(lock: int, server: Server) -> None:
    """Takes the exclusive lock; for a moment the guardian may hold it."""
    deadline = time.monotonic() + BUSY_S
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise UsageError(
                    f"another process uses the embedded server in {server.base}", "try again when it has ended"
                ) from None
            time.sleep(0.1)
        else:
            return


@contextmanager
def _os_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise failure(str(error)) from None
