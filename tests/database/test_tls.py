"""`sslmode=verify-full` against a server whose certificate comes from an authority of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from recon.core.settings import Settings
from recon.postgres.session import connect
from tests.support.builders import DAY
from tests.support.databases import Database
from tests.support.program import Run
from tests.support.servers import Server, wait_until

PASSWORD = "c4n4ry-t1s"


def certificate(folder: Path, name: str, *options: str) -> Path:
    """A key, and a certificate for it that is its own authority unless the options name one."""
    arguments = ("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2")
    files = ("-keyout", str(folder / f"{name}.key"), "-out", str(folder / f"{name}.crt"))
    subprocess.run(["openssl", *arguments, *files, "-subj", f"/CN={name}", *options], check=True, capture_output=True)
    return folder / f"{name}.crt"


@dataclass
class Secured:
    """A server with TLS whose certificate is for `localhost` only; `authority` vouches for it, `other` does not."""

    server: Server
    authority: Path
    other: Path

    def url(self, database: Database, host: str = "localhost", root: Path | None = None) -> str:
        role = self.server.create_role(f"ann_{database.name}", PASSWORD)
        options = f"sslmode=verify-full&sslrootcert={root or self.authority}"
        return f"postgresql://{role}:{PASSWORD}@{host}:{self.server.port}/{database.name}?{options}"


@pytest.fixture(scope="module")
def secured(debian_server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make certificates with")
    folder = tmp_path_factory.mktemp("tls")
    authority, other = certificate(folder, "authority"), certificate(folder, "other")
    signed = ("-CA", str(authority), "-CAkey", str(folder / "authority.key"))
    certificate(folder, "server", *signed, "-addext", "subjectAltName=DNS:localhost")
    for kind in ("crt", "key"):
        place = debian_server.data_dir / f"server.{kind}"
        shutil.copy(folder / f"server.{kind}", place)
        place.chmod(0o600)
        os.chown(place, debian_server.uid, debian_server.gid)
    switch(debian_server, "set ssl = on", "on")
    yield Secured(debian_server, authority, other)
    switch(debian_server, "reset ssl", "off")


def switch(server: Server, what: str, wanted: str) -> None:
    server.execute(f"alter system {what}")
    server.execute("select pg_reload_conf()")

    def ssl() -> str:
        with connect(Settings(database_url=server.url)) as session:
            return str(session.rows("select current_setting('ssl') as ssl")[0]["ssl"])

    wait_until(lambda: ssl() == wanted, what=f"ssl = {wanted}")


def test_the_right_certificate_lets_us_in(secured: Secured, debian_database: Database, run_recon: Run) -> None:
    url = secured.url(debian_database)
    with connect(Settings(database_url=url)) as session:
        assert session.rows("select ssl from pg_stat_ssl where pid = pg_backend_pid()") == [{"ssl": True}]
    debian_database.execute("grant select on all tables in schema public to public")
    assert run_recon("status", url=url).returncode == 0
    done = run_recon("diagnose", "--json", url=url)
    assert {check["name"]: check["status"] for check in json.loads(done.stdout)["checks"]}["tls"] == "ok"


def test_any_other_is_refused_in_one_line_that_names_it(
    secured: Secured, debian_database: Database, run_recon: Run, tmp_path: Path
) -> None:
    absent = tmp_path / "absent.crt"
    for url, said in (
        (secured.url(debian_database, root=secured.other), "certificate verify failed"),
        (secured.url(debian_database, "127.0.0.1"), 'does not match host name "127.0.0.1"'),
        (secured.url(debian_database, root=absent), f'root certificate file "{absent}" does not exist'),
    ):
        done = run_recon("status", url=url)
        assert (done.returncode, done.stdout) == (3, "")
        (line,) = done.stderr.splitlines()
        assert said in line
        assert "check sslmode, the certificate" in line
        assert PASSWORD not in line


def test_a_reader_that_cannot_verify_says_so_and_reads_nothing(
    secured: Secured, debian_database: Database, run_recon: Run
) -> None:
    debian_database.execute("grant select on all tables in schema public to public")
    debian_database.add_curtailment((DAY, 1, "T_A-1", "-5"))
    debian_database.add_calculations((DAY, 1, "T_B-1", "S9", "0.5", "1"))
    done = run_recon("status", "--reader", "connectorx", url=secured.url(debian_database))
    assert (done.returncode, done.stdout) == (3, "")
    (line,) = done.stderr.splitlines()
    assert line.endswith("use --reader adbc")
    assert PASSWORD not in line
