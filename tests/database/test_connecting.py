"""Ways in: addresses, passwords, and connections that fail in time with their cause; and the pool of sessions."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from recon.core.errors import ConnectError, DatabaseError, PermissionDenied
from recon.core.settings import Settings, Timeouts
from recon.postgres.errors import is_transient
from recon.postgres.pool import Pool
from recon.postgres.session import connect
from tests.support.databases import Database
from tests.support.servers import Server, free_port, wait_until

PASSWORD = "s3cret-and-more"


@contextmanager
def silent_listener() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


class TestConnecting:
    @pytest.fixture
    def role(self, server: Server) -> str:
        return server.create_role("ana", PASSWORD)

    def failure(self, url: str) -> ConnectError:
        started = time.monotonic()
        with pytest.raises(ConnectError) as caught:
            connect(Settings(database_url=url, timeouts=Timeouts(connect_s=2)))
        assert time.monotonic() - started < 5
        assert "\n" not in str(caught.value)
        assert PASSWORD not in str(caught.value)
        assert caught.value.hint
        return caught.value

    def test_a_password_lets_a_role_in(self, server: Server, role: str) -> None:
        with connect(Settings(database_url=server.role_url(role, PASSWORD))) as session:
            assert session.rows("select current_user::text as who") == [{"who": role}]

    def test_a_wrong_password_is_not_shown(self, server: Server, role: str) -> None:
        assert self.failure(server.role_url(role, PASSWORD + "x")).code == "authentication"

    def test_a_missing_password_is_named(self, server: Server, role: str) -> None:
        assert self.failure(server.role_url(role)).code == "authentication"

    def test_a_missing_database_is_named(self, server: Server, role: str) -> None:
        error = self.failure(server.role_url(role, PASSWORD, "nowhere"))
        assert (error.code, is_transient(error)) == ("no_database", False)
        assert '"nowhere" does not exist' in error.message

    def test_a_server_without_tls_refuses_who_wants_it(self, server: Server, role: str) -> None:
        assert self.failure(server.role_url(role, PASSWORD) + "?sslmode=require").code == "refused"

    def test_nobody_there(self, role: str) -> None:
        error = self.failure(f"postgresql://{role}:{PASSWORD}@127.0.0.1:{free_port()}/power")
        assert (error.code, is_transient(error)) == ("connect", True)
        assert f"cannot connect to postgresql://{role}@127.0.0.1" in error.message

    def test_somebody_there_who_says_nothing(self, role: str) -> None:
        with silent_listener() as port:
            error = self.failure(f"postgresql://{role}:{PASSWORD}@127.0.0.1:{port}/power")
        assert error.code == "connect"
        assert "did not answer in time" in error.hint

    def test_the_sockets_directory_is_an_address_too(self, server: Server) -> None:
        with connect(Settings(database_url=server.socket_url)) as session:
            assert session.rows("select inet_server_addr()::text as address") == [{"address": None}]

    def test_a_role_without_a_right_is_told_which(self, database: Database, role: str) -> None:
        url = database.server.role_url(role, PASSWORD, database.name)
        with connect(Settings(database_url=url)) as session, pytest.raises(PermissionDenied) as caught:
            session.execute("select * from public.curtailment_records")
        assert caught.value.message == "permission denied for table curtailment_records"


class TestPool:
    def pid(self, pool: Pool, statement: str = "select 1") -> int:
        with pool.session() as session:
            session.execute(statement)
            return int(session.rows("select pg_backend_pid() as pid")[0]["pid"])

    def test_a_session_is_used_again_but_not_after_an_error(self, database: Database) -> None:
        pool = Pool(database.settings, "recon/pool")
        first = self.pid(pool)
        assert self.pid(pool) == first
        with pytest.raises(DatabaseError, match="division by zero"):
            self.pid(pool, "select 1/0")
        assert self.pid(pool) != first
        pool.close()

    def test_a_worn_session_is_replaced(self, database: Database) -> None:
        pool = Pool(database.settings, "recon/pool", max_uses=2)
        first, second, third = (self.pid(pool) for _ in range(3))
        assert first == second != third
        pool.close()

    def test_no_session_is_left_behind(self, database: Database) -> None:
        pool = Pool(database.settings, "recon/pool")
        with pool.session(), pool.session():
            assert database.count("pg_stat_activity", "application_name = 'recon/pool'") == 2
        pool.close()
        wait_until(lambda: database.count("pg_stat_activity", "application_name = 'recon/pool'") == 0)
