"""Commands that only read cannot write: every statement of theirs is in a read-only transaction."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

import pytest

from recon.postgres.session import connect
from tests.support.builders import DAY, days, fill, source_rows
from tests.support.databases import Database
from tests.support.program import Run
from tests.support.roles import READER, role_url

PROBE = ("SELECT CURRENT_SCHEMA()", "set local synchronous_commit = local")
"""What `diagnose` needs besides for its temporary table, which goes with its transaction."""
READERS: dict[str, int] = {
    "status": 1,
    "status --values --deep": 1,
    "status --deep --reader connectorx": 1,
    "analyze --values": 1,
    f"explain {DAY} 1 T_FARM-0": 1,
    "report --values": 1,
    "verify": 0,
    "export --out slice": 1,
    "diagnose": 0,
    "diagnose monitor --count 1": 0,
    "runs": 0,
    "quarantine list": 0,
    "fix --dry-run --repair missing,wrong": 1,
    "init --dry-run": 0,
}
"""Each command that only reads, with the exit code it has where rows are missing."""
OF_THE_SESSION = (
    "select version();",
    "select attrelid, attname, atttypid from pg_catalog.",
    "select attr.attname, attr.atttypid from pg_catalog.",
    "select oid, typname, typreceive, typbasetype, typrelid, typarray from pg_catalog.",
)
"""What the driver asks of the catalogue."""
STATEMENT = re.compile(
    r"^\d{4}-\S+ \S+ \S+ \[(\d+)\] [^\n]*?LOG:  (?:statement|execute [^:]*): (.*?)(?=^\d{4}-|\Z)", re.M | re.S
)


def set_trap(database: Database) -> None:
    """The source becomes a view that writes whenever it is read by somebody who may."""
    database.execute("create table trapped (application text, statement text)")
    database.execute(
        "create function trap() returns boolean language plpgsql volatile as $$ begin"
        " if not current_setting('transaction_read_only')::boolean then"
        " insert into public.trapped values (current_setting('application_name'), current_query()); end if;"
        " return true; end $$"
    )
    database.execute("alter table curtailment_records rename to behind")
    database.execute("create view curtailment_records as select * from behind where trap()")


def statements(log: str) -> dict[str, list[str]]:
    """What each backend was sent, in order."""
    found: dict[str, list[str]] = defaultdict(list)
    for pid, text in STATEMENT.findall(log):
        found[pid].append(text.strip())
    return found


def outside_a_read_only_transaction(sent: list[str]) -> list[str]:
    """The statements of one session that are not between BEGIN READ ONLY and its end; its own limits may be set."""
    found, inside = [], False
    for text in sent:
        words = " ".join(text.lower().split()).removeprefix("rollback; ")  # the session's first one, and the next
        if words.startswith(("begin", "start transaction")):
            inside = bool(re.match(r"[^;]* read only(;|$)", words))
            if not inside:
                found.append(text)
        elif re.match(r"(select pg_catalog.set_config\([^;]*; )?(commit|rollback)$", words):
            inside = False
        elif words and not inside and not words.startswith(OF_THE_SESSION):
            found.append(text)
    return found


@pytest.fixture
def trapped(database: Database) -> Database:
    """A database with gaps, whose source is a trap, and whose sessions are logged statement by statement."""
    rows = fill(database, source_rows(days(DAY, 2), farms=1, periods=(1,)))
    database.add_calculations((rows[0][0], 1, "T_FARM-0", "S9", "0.5", "1"))
    set_trap(database)
    return database


def test_the_trap_springs_when_someone_who_may_write_reads(trapped: Database) -> None:
    with connect(trapped.settings, "writer") as session:
        session.rows("select count(*) from public.curtailment_records")
    assert trapped.scalar("select min(application) from trapped") == "writer"


def test_commands_that_read_do_so_in_read_only_transactions(trapped: Database, run_recon: Run) -> None:
    """As a role that has the guide's grants for a reader; what it may do besides, the trap tempts it to."""
    run_recon("date", DAY, url=trapped.url)
    trapped.execute("truncate trapped")
    trapped.execute("grant insert on trapped to public")
    reader = role_url(trapped, "analyst", READER)
    trapped.execute(f"alter database {trapped.name} set log_statement = 'all'")
    for command, code in READERS.items():
        before = trapped.server.log.stat().st_size
        done = run_recon(*command.split(), url=reader)
        assert done.returncode == code, (command, done.stdout, done.stderr)
        sessions = statements(tail(trapped.server.log, before))
        assert sum(map(len, sessions.values())) >= 4, command
        outside = [text for sent in sessions.values() for text in outside_a_read_only_transaction(sent)]
        probes = [text for text in outside if "recon_probe" in text or text in PROBE]
        outside = [text for text in outside if not text.startswith("-- What the caller's sessions are set to")]
        probes += [text for text in outside if probes and "begin isolation level read committed ;" in text]
        assert [text for text in outside if text not in probes] == [], command
        assert bool(probes) == (command == "diagnose")
        assert trapped.rows("select * from trapped") == [], command


def tail(log: Path, start: int) -> str:
    with log.open("rb") as file:
        file.seek(start)
        return file.read().decode()


def test_a_source_that_insists_on_writing_is_refused(trapped: Database, run_recon: Run) -> None:
    trapped.execute(
        "create or replace function trap() returns boolean language plpgsql volatile as $$ begin"
        " insert into public.trapped values ('', ''); return true; end $$"
    )
    done = run_recon("status", url=trapped.url)
    assert done.returncode == 3
    assert "cannot execute INSERT in a read-only transaction" in done.stderr
    assert trapped.count("trapped") == 0
