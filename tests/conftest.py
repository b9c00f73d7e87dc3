"""Servers, databases and the program itself, for every test."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

import pytest
from hypothesis import settings

from tests.support.databases import Database, make_template, new_database
from tests.support.forked import Forks, Process, bare_variables, start_python
from tests.support.poolers import PgBouncer, start_bouncer
from tests.support.servers import Server, debian_programs, embedded_programs, start_server, temporary_home

os.environ.pop("COLUMNS", None)  # a worker of pytest-xdist is told of 80, which a pipe has not
# The same examples at every run, and no example is slow: the machine may be.
settings.register_profile("recon", max_examples=50, deadline=None, derandomize=True, database=None)
settings.register_profile("thorough", max_examples=2000, deadline=None, database=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "recon"))


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """None for a single file or test, which is done before they had started; else three for two cores, since many
    tests wait. Each worker has a server of its own.
    """
    return 0 if len(config.args) == 1 and not Path(config.args[0]).is_dir() else 3


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """PostgreSQL 18 from the wheel; one for each test process."""
    yield from _serve(embedded_programs(), stays=True)


@pytest.fixture(scope="session")
def debian_server() -> Iterator[Server]:
    """The PostgreSQL of Debian's packages, another version of the server."""
    bindir = debian_programs()
    if bindir is None:
        pytest.skip("no PostgreSQL under /usr/lib/postgresql")
    yield from _serve(bindir, stays=True)


def _serve(bindir: Path, *, stays: bool = False) -> Iterator[Server]:
    server = start_server(bindir, stays=stays)
    try:
        make_template(server)
        yield server
    finally:
        server.close()


@pytest.fixture
def own_server() -> Iterator[Server]:
    """A server that the test may stop, crash and start again."""
    yield from _serve(embedded_programs())


@pytest.fixture
def database(server: Server) -> Iterator[Database]:
    """A database of the test's own, with the two tables, empty, without the unique index."""
    yield from _lend(server, tables=True)


@pytest.fixture
def empty_database(server: Server) -> Iterator[Database]:
    """A database of the test's own with nothing in it."""
    yield from _lend(server, tables=False)


@pytest.fixture
def debian_database(debian_server: Server) -> Iterator[Database]:
    """Like `database`, on the server of Debian's packages."""
    yield from _lend(debian_server, tables=True)


@pytest.fixture
def pooled(database: Database) -> Iterator[Callable[..., str]]:
    """`pooled(size)`: the database's URL by way of a PgBouncer in transaction mode with so many server connections."""
    bouncers: list[PgBouncer] = []

    def start(size: int = 20, **roles: str) -> str:
        bouncers.append(start_bouncer(database.server, size, roles))
        return bouncers[-1].url(database.url)

    yield start
    for bouncer in bouncers:
        bouncer.stop()


def _lend(server: Server, *, tables: bool) -> Iterator[Database]:
    database = new_database(server, tables=tables)
    try:
        yield database
    finally:
        database.drop()


@pytest.fixture
def recon_home() -> Iterator[Path]:
    """A user's data directory; an embedded server in it is thrown away in the end."""
    with temporary_home() as home:
        yield home


@pytest.fixture
def environment(recon_home: Path) -> dict[str, str]:
    """The variables of a user who has set nothing but a home for recon."""
    return bare_variables() | {"RECON_HOME": str(recon_home), "XDG_CONFIG_HOME": str(recon_home / "config")}


@pytest.fixture(scope="session")
def forks() -> Iterator[Forks]:
    """Runs of the program for which its libraries need not be loaded each time; one helper for each test process."""
    forks = Forks()
    yield forks
    forks.close()


@pytest.fixture(scope="session")
def begin(request: pytest.FixtureRequest) -> Callable[..., Process]:
    """How the program is started: forked, or with RECON_TESTS_FORK=no by a Python of its own."""
    wanted = sys.platform == "linux" and os.environ.get("RECON_TESTS_FORK") != "no"
    return request.getfixturevalue("forks").start if wanted else start_python


@pytest.fixture
def run_recon(start_recon: Callable[..., Process]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs the program as its users do: `run_recon("status", "--json", url=database.url)`."""

    def run(
        *arguments: object, input: str | None = None, timeout: float = 60, **options: Any
    ) -> subprocess.CompletedProcess[str]:
        with TemporaryFile("w+") as typed:
            typed.write(input or "")
            typed.seek(0)
            process = start_recon(*arguments, stdin=subprocess.DEVNULL if input is None else typed, **options)
        stdout, stderr = process.communicate(timeout=timeout)
        return subprocess.CompletedProcess(process.args, process.wait(), stdout, stderr)

    return run


@pytest.fixture
def start_recon(environment: dict[str, str], begin: Callable[..., Process]) -> Iterator[Callable[..., Process]]:
    """Starts the program and goes on: for signals, and for two runs at once. What still runs in the end is killed.

    It is never forked where variables or a directory are given: what Python makes of them is then part of the test.
    """
    running: list[Process] = []

    def start(
        *arguments: object,
        url: str | None = None,
        env: dict[str, str] | None = None,
        cwd: Path | None = None,
        stdin: IO[str] | int = subprocess.DEVNULL,
    ) -> Process:
        program = ["recon", *map(str, arguments)]
        variables = environment | ({} if url is None else {"RECON_DATABASE_URL": url}) | (env or {})
        how = begin if env is None and cwd is None else start_python
        running.append(how(program, variables, cwd or recon_cwd(environment), stdin))
        return running[-1]

    yield start
    for process in running:
        process.kill()
        process.communicate()


def recon_cwd(environment: dict[str, str]) -> str:
    """A directory with nothing of recon in it: what the program needs it must bring along."""
    return environment["RECON_HOME"]
