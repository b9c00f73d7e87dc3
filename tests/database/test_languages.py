"""A server that speaks German: what went wrong is told by its codes, and the next step is the same as in English."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest

from recon.core.errors import ConnectError, DatabaseError
from recon.core.settings import Settings
from recon.postgres.errors import is_transient
from recon.postgres.session import Session, connect
from tests.support.databases import Database, make_template, new_database
from tests.support.locales import german_locales
from tests.support.program import Run
from tests.support.servers import CONFIGURATION, Server, debian_programs, start_server

HBA = """
local all all                trust
host  all closed   0.0.0.0/0 reject
host  all postgres 0.0.0.0/0 trust
host  all all      0.0.0.0/0 md5
"""


@pytest.fixture(scope="module")
def german_server() -> Iterator[Server]:
    """PostgreSQL of Debian's packages with German messages."""
    programs = debian_programs()
    if programs is None:
        pytest.skip("no PostgreSQL under /usr/lib/postgresql")
    with german_locales("UTF-8") as german:
        if not german:
            pytest.skip("no German locale can be made here (Debian: package locales)")
        server = start_server(programs, f"{CONFIGURATION}\nlc_messages = '{german['UTF-8']}'\n")
    try:
        make_template(server)
        (server.data_dir / "pg_hba.conf").write_text(HBA)
        server.execute("select pg_reload_conf()")
        yield server
    finally:
        server.close()


@pytest.fixture
def german(german_server: Server) -> Iterator[Database]:
    database = new_database(german_server)
    german_server.create_role("ana", "pw")
    yield database
    database.drop()
    german_server.execute("drop owned by ana")
    german_server.execute("drop role ana")


def refused(url: str) -> ConnectError:
    with pytest.raises(ConnectError) as caught:
        connect(Settings(database_url=url))
    return caught.value


class TestARefusedConnection:
    @pytest.mark.parametrize(
        ("role", "password", "there", "code", "words", "hint"),
        [
            ("ana", "pw", False, "no_database", "existiert nicht", "check the database's name"),
            ("ana", "wrong", True, "authentication", "fehlgeschlagen", "check user and password"),
            ("bob", "pw", True, "authentication", "fehlgeschlagen", "check user and password"),
            ("closed", "pw", True, "refused", "pg_hba.conf", "check sslmode, the certificate and the server's pg_hba"),
        ],
    )
    def test_has_its_cause(
        self, german: Database, role: str, password: str, there: bool, code: str, words: str, hint: str
    ) -> None:
        error = refused(german.server.role_url(role, password, german.name if there else "none"))
        assert (error.code, is_transient(error)) == (code, False)
        assert words in error.message
        assert hint in error.hint

    @pytest.mark.parametrize(
        ("change", "code", "hint"),
        [
            ("alter role ana nologin", "authentication", "may it log in?"),
            ("alter role ana connection limit 0", "connect", "no free connection"),
            ("revoke connect on database {name} from public", "refused", "GRANT CONNECT ON DATABASE"),
            ("alter database {name} allow_connections false", "refused", "name another database"),
        ],
    )
    def test_has_it_when_the_password_was_right_too(self, german: Database, change: str, code: str, hint: str) -> None:
        german.server.execute(change.format(name=german.name))
        error = refused(german.server.role_url("ana", "pw", german.name))
        assert (error.code, hint in error.hint) == (code, True), str(error)

    def test_has_it_for_passwords_kept_in_the_old_way(self, german: Database) -> None:
        german.execute("set password_encryption = md5")
        german.execute("alter role ana password 'pw'")
        assert refused(german.server.role_url("ana", "pw", "none")).code == "no_database"
        assert refused(german.server.role_url("ana", "wrong", german.name)).code == "authentication"

    def test_has_it_on_a_socket_and_by_a_password_file(self, german: Database, run_recon: Run, tmp_path: Path) -> None:
        server = german.server
        error = refused(f"host='{server.directory}' port={server.port} user=bob dbname={german.name}")
        assert (error.code, "is there such a role" in error.hint) == ("authentication", True)
        kept = tmp_path / "pgpass"
        kept.write_text(f"127.0.0.1:{server.port}:*:ana:pw\n")
        kept.chmod(0o600)
        done = run_recon("status", url=server.role_url("ana", database="none"), env={"PGPASSFILE": str(kept)})
        assert (done.returncode, "check the database's name in the URL" in done.stderr) == (3, True), done.stderr

    def test_shows_no_password(self, german: Database, run_recon: Run) -> None:
        done = run_recon("status", url=german.server.role_url("ana", "s3cret", german.name))
        assert done.returncode == 3
        assert "s3cret" not in done.stderr + done.stdout


def _maybe(session: Session, inside: bool) -> AbstractContextManager[None]:
    return session.transaction() if inside else nullcontext()


class TestASessionThatWasEnded:
    @pytest.mark.parametrize(
        ("setting", "inside", "hint"),
        [
            ("idle_session_timeout", False, "SET idle_session_timeout = 0"),
            ("idle_in_transaction_session_timeout", True, "--idle-timeout"),
        ],
    )
    def test_for_waiting_names_the_setting(self, german: Database, setting: str, inside: bool, hint: str) -> None:
        german.execute(f"alter role ana set {setting} = '300ms'")
        settings = Settings(database_url=german.server.role_url("ana", "pw", german.name))
        with connect(settings) as session, pytest.raises(DatabaseError) as caught, _maybe(session, inside):
            session.rows("select 1 as one")
            time.sleep(0.8)
            session.rows("select 1 as one")
        error = caught.value
        assert error.message.startswith(f"the server ended the session by its {setting} (")
        assert hint in error.hint
        assert "when the server is back" not in str(error)

    def test_by_its_administrator_is_lost(self, german: Database) -> None:
        with connect(Settings(database_url=german.url)) as session:
            pid = session.rows("select pg_backend_pid() as pid")[0]["pid"]
            german.execute(f"select pg_terminate_backend({pid}, 5000)")
            with pytest.raises(DatabaseError) as caught:
                session.rows("select 1 as one")
        assert (caught.value.code, is_transient(caught.value)) == ("lost", True)


def test_a_missing_grant_and_a_missing_table_have_their_next_step(german: Database, run_recon: Run) -> None:
    german.add_curtailment(("2024-04-20", 1, "T_A-1", "-5"))
    german.execute("grant select on curtailment_records, historical_bitcoin_calculations to ana")
    url = german.server.role_url("ana", "pw", german.name)
    assert "GRANT INSERT ON" in run_recon("fix", url=url).stderr
    done = run_recon("status", "--curtailment-table", "none", url=url)
    assert (done.returncode, "has no table none" in done.stderr) == (2, True)


def test_the_whole_job_is_done(german: Database, run_recon: Run) -> None:
    german.add_curtailment(("2024-04-20", 1, "T_A-1", "-5"))
    done = run_recon("fix", "--json", url=german.url)
    assert (done.returncode, '"inserted": 3' in done.stdout) == (0, True), done.stderr
