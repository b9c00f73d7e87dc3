"""A password appears nowhere, in whichever form it came and whatever goes wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.support.builders import DAY, days, fill, source_rows
from tests.support.databases import Database
from tests.support.program import CANARY, Run, Start
from tests.support.servers import free_port, wait_until

PASSWORD = f"{CANARY} p@ss/w:o?r&d#%'é\\"
MALFORMED = (
    "postgresql://ana:{}@[half/db",
    "postgresql://ana:{}\u2100@127.0.0.1:{port}/db",
    "postgresql://ana:{}@127.0.0.1:port/db",
    "postgresql://ana:{}%zz@127.0.0.1:{port}/db",
    "postgresql://ana@127.0.0.1:{port}/db?pass%77ord={}",
    "postgresql://ana@127.0.0.1:{port}/db?password={}&bogus=1",
    "postgresql://ana:x/{}@127.0.0.1:{port}/db",
    "host=127.0.0.1 port={port} user=ana password=x\\ {}",
    "host=127.0.0.1 port={port} user=ana password=x {}",
    "host=127.0.0.1 port={port} user=ana password='{}",
    "ana:{}=@127.0.0.1/db",
    "mysql://ana:{}@127.0.0.1/db",
)
BUG = """
import sys
from recon.cli import process
from recon.reconcile import survey
def bug(job, *_, **__):
    raise RuntimeError(f"a bug, with {job!r}")
survey.status = bug
sys.argv = ["recon", "status", "-v"]
process.run()
"""


def address(database: Database, role: str, form: str, password: str = PASSWORD) -> dict[str, str]:
    """The environment that names the database and the password in one of libpq's forms."""
    place = f"127.0.0.1:{database.server.port}/{database.name}"
    pairs = f"host=127.0.0.1 port={database.server.port} dbname={database.name} user={role}"
    escaped = password.replace("\\", "\\\\").replace("'", "\\'")
    urls = {
        "userinfo": f"postgresql://{role}:{quote(password, safe='')}@{place}",
        "parameter": f"postgresql://{role}@{place}?password={quote(password, safe='')}",
        "pairs": f"{pairs} password='{escaped}'",
        "environment": f"postgresql://{role}@{place}",
    }
    return {"RECON_DATABASE_URL": urls[form]} | ({"PGPASSWORD": password} if form == "environment" else {})


@pytest.fixture
def role(database: Database) -> str:
    """A superuser with the password; the database has two dates to fill."""
    fill(database, source_rows(days(DAY, 2), farms=1, periods=(1, 2)))
    name = f"ina_{database.name}"
    literal = PASSWORD.replace("'", "''")
    database.execute(f"create role {name} superuser login password '{literal}'")
    return name


@pytest.mark.parametrize(
    ("form", "command"),
    [
        ("userinfo", "fix -v --profile"),
        ("parameter", f"daily -v --today {DAY} --log-format json"),
        ("pairs", f"minimal sequence {DAY} 2 -v --json"),
        ("environment", "diagnose test -v --json --log-format json"),
    ],
)
def test_a_run_shows_logs_and_stores_none(
    database: Database, run_recon: Run, role: str, tmp_path: Path, form: str, command: str
) -> None:
    run_recon("init", url=database.url)
    log = ("--log-file", tmp_path / "recon.log")
    done = run_recon(*command.split(), *log, env=address(database, role, form))
    assert done.returncode == 0, done.stderr
    wrong = run_recon("status", "--json", *log, env=address(database, role, form, f"{CANARY}x"))
    assert (wrong.returncode, role in wrong.stdout) == (3, True)
    said = done.stdout + done.stderr + wrong.stdout + wrong.stderr
    logged = (tmp_path / "recon.log").read_text()
    assert "cannot connect" in logged
    ledger = database.rows("select r::text, d::text from recon.runs r left join recon.run_dates d using (run_id)")
    assert bool(ledger) == ("diagnose" not in command)
    assert CANARY not in said + logged + str(ledger)


def test_connectorx_tells_none_either(database: Database, run_recon: Run, role: str) -> None:
    """It takes no name=value pairs, and complains about what it gets."""
    database.add_calculations((DAY, 1, "T_ODD-1", "S9", "0.5", "1"))
    for form, code in (("userinfo", 1), ("pairs", 3)):
        done = run_recon("status", "--reader", "connectorx", "-v", env=address(database, role, form))
        assert done.returncode == code, done.stderr
        assert CANARY not in done.stdout + done.stderr


@pytest.mark.parametrize("text", MALFORMED)
def test_an_address_that_cannot_be_right_is_one_line_without_it(run_recon: Run, text: str) -> None:
    url = text.replace("{}", CANARY).replace("{port}", str(free_port()))
    done = run_recon("status", url=url)
    assert done.returncode in (2, 3), done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("recon: ")
    assert CANARY not in line


def test_a_bugs_traceback_does_not_hold_it(environment: dict[str, str]) -> None:
    env = environment | {"RECON_DATABASE_URL": f"postgresql://ana:{CANARY}@127.0.0.1:1/db"}
    done = subprocess.run([sys.executable, "-c", BUG], env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 70
    assert "Traceback" in done.stderr and "RuntimeError: a bug, with Job(" in done.stderr
    assert CANARY not in done.stdout + done.stderr


def test_neither_ps_nor_the_server_show_it_while_a_run_is_at_work(
    database: Database, start_recon: Start, role: str
) -> None:
    database.execute("begin")
    database.execute("lock table curtailment_records in access exclusive mode")
    process = start_recon("fix", env=address(database, role, "userinfo"))
    observer = Database(database.server, "postgres", database.server.url)
    ours = f"from pg_stat_activity where application_name like 'recon/fix/%' and datname = '{database.name}'"
    wait_until(lambda: observer.rows(f"select pid {ours} and wait_event_type = 'Lock'"), what="a session that waits")
    shown = json.dumps(observer.rows(f"select application_name, query {ours}")) + command_lines()
    observer.disconnect()
    database.execute("rollback")
    process.communicate(timeout=30)
    assert process.returncode == 0
    assert "recon" in shown
    assert CANARY not in shown


def command_lines() -> str:
    """What `ps` shows of every process that there is."""
    found = ""
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found += place.read_bytes().decode(errors="replace")
        except OSError:  # it has ended
            continue
    return found
