"""What a run does about trouble: again, in smaller pieces, or never; each shown by a server that gives the trouble."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.support import oracle
from tests.support.builders import DAY, days, fill, source_rows
from tests.support.databases import TABLE, Database
from tests.support.program import Run, Start
from tests.support.proxy import proxy
from tests.support.servers import Server, wait_until
from tests.support.terminal import on_a_terminal, plain

GATE = 4713
CAN_PASS = ("40001", "40P01", "55P03", "53300", "57014", "57P01", "08006")
CANNOT = ("22003", "23514", "53100", "P0001")


def before_insert(database: Database, body: str) -> None:
    """A trigger on every row that is written."""
    database.execute(f"create function trouble() returns trigger language plpgsql as $$ {body} $$")
    database.execute(f"create trigger trouble before insert on {TABLE} for each row execute function trouble()")


def dates_per_transaction(database: Database) -> list[int]:
    counted = "count(distinct settlement_date)"
    return [n for (n,) in database.rows(f"select {counted} from {TABLE} group by xmin::text::int8 order by 1")]


def test_a_role_with_too_short_a_statement_timeout_for_a_month_finishes_in_smaller_batches(
    server: Server, database: Database, environment: dict[str, str], tmp_path: Path
) -> None:
    """Writing 30 dates takes about 1.4 s, and the role has 0.7 s: the batch is halved until it fits."""
    rows = fill(database, source_rows(days(DAY, 30), farms=1, periods=(1, 2)))
    before_insert(database, "begin perform pg_sleep(0.008); return new; end")
    server.create_role("patient", "secret")
    database.execute("alter role patient set statement_timeout = '700ms'")
    database.execute("grant select, insert on all tables in schema public to patient")
    database.execute("grant usage on all sequences in schema public to patient")
    database.execute(f'grant create on database "{database.name}" to patient')
    url, log = server.role_url("patient", "secret", database.name), tmp_path / "recon.log"
    code, shown = on_a_terminal(environment, "-d", url, "fix", 30, "--workers", 1, "--log-file", log)
    assert code == 0, shown
    assert oracle.stored(database) == oracle.calculations(rows)
    sizes = dates_per_transaction(database)
    assert sum(sizes) == 30
    assert 1 < max(sizes) <= 15
    lines = log.read_text().splitlines()
    assert re.search(r"INFO trying 30 dates from 2024-04-20 again: .*statement timeout", "\n".join(lines))
    assert len([line for line in lines if " done inserted=6 " in line]) == 30, "one line per date"
    assert "…" not in shown, "it fits on 80 columns"
    assert re.search(r"\d+/30 dates, [1-9] retr(y|ies) ━+ *[\d,]+ rows, \d+ rows/s \d:\d\d:\d\d", plain(shown))


def test_what_can_pass_is_tried_again_and_what_cannot_is_not(database: Database, run_recon: Run) -> None:
    """Each date has an error of its own: the first attempt fails with it, and with what cannot pass every one."""
    dates = days(DAY, len(CAN_PASS) + len(CANNOT))
    rows = fill(database, source_rows(dates, farms=1, periods=(1,)))
    states = dict(zip(dates, CAN_PASS + CANNOT, strict=True))
    for state in states.values():
        database.execute(f'create sequence "tried_{state}"')
    cases = " ".join(f"when '{day}' then '{state}'" for day, state in states.items())
    before_insert(
        database,
        f"declare state text := case new.settlement_date {cases} end; begin"
        " if new.miner_model <> 'S9' then return new; end if;"
        f" if nextval('\"tried_' || state || '\"') = 1 or state in {CANNOT!r}"
        " then raise exception using errcode = state, message = 'trouble ' || state; end if; return new; end",
    )
    done = run_recon("fix", 1, "--workers", 4, "--json", url=database.url)
    assert done.returncode == 4, done.stderr
    entries = {entry["date"]: entry for entry in json.loads(done.stdout)["dates"]}
    for day, state in states.items():
        entry = entries[str(day)]
        wanted = ("done", 2) if state in CAN_PASS else ("failed", 1)
        assert (entry["status"], entry["attempts"]) == wanted, state
        assert database.scalar(f'select last_value from "tried_{state}"') == wanted[1], state
        assert state in CAN_PASS or entry["error"].startswith(f"trouble {state}")
    good = [day for day, state in states.items() if state in CAN_PASS]
    assert oracle.stored(database) == oracle.calculations(row for row in rows if row[0] in good)


def test_a_permission_that_is_taken_away_ends_the_run_at_once(database: Database, run_recon: Run) -> None:
    fill(database, source_rows(days(DAY, 9), farms=1, periods=(1,)))
    database.execute("create sequence tried")
    before_insert(database, "begin perform nextval('tried'); raise exception using errcode = '42501'; end")
    done = run_recon("fix", 1, "--workers", 1, "--json", url=database.url)
    assert done.returncode == 3
    assert json.loads(done.stdout)["error"]["code"] == "permission"
    assert database.scalar("select last_value from tried") <= 2, "the next chunk may have begun"
    assert database.count(TABLE) == 0


def test_a_batch_that_fails_is_tried_date_by_date(database: Database, run_recon: Run) -> None:
    dates = days(DAY, 6)
    rows = fill(database, source_rows(dates))
    database.execute(f"alter table {TABLE} add check (settlement_date <> '{dates[3]}')")
    done = run_recon("fix", 30, "--json", url=database.url)
    assert done.returncode == 4
    entries = {entry["date"]: entry["status"] for entry in json.loads(done.stdout)["dates"]}
    assert [day for day, status in entries.items() if status != "done"] == [str(dates[3])]
    assert oracle.stored(database) == oracle.calculations(row for row in rows if row[0] != dates[3])
    assert dates_per_transaction(database) == [1] * 5


@pytest.mark.parametrize("committed", [True, False])
def test_a_commit_whose_outcome_is_unknown_is_looked_up_and_never_repeated_blindly(
    database: Database, start_recon: Start, committed: bool
) -> None:
    """The connection is cut at the COMMIT of the only chunk, before or after the server has done it."""
    rows = fill(database, source_rows(days(DAY, 2)))
    database.execute(f"select pg_advisory_lock({GATE})")
    before_insert(database, f"begin perform pg_advisory_xact_lock_shared({GATE}); return new; end")
    with proxy(database.server.port) as between:
        run = start_recon("fix", "--json", url=between.url(database.name))
        waiting = "select count(*) from pg_locks where locktype = 'advisory' and not granted"
        wait_until(lambda: database.scalar(waiting) > 0, 30, "the run's first row")
        between.cut_commit(reaches_server=committed)
        database.execute(f"select pg_advisory_unlock({GATE})")
        stdout, stderr = run.communicate(timeout=60)
    assert run.returncode == 0, stdout + stderr
    exact = oracle.calculations(rows)
    assert oracle.stored(database) == exact, "each row once, without a unique index"
    found = json.loads(stdout)
    assert (found["inserted"], found["reconciled"]) == (len(exact), True)
    assert [entry["status"] for entry in found["dates"]] == ["done", "done"]
