"""`recon diagnose`: each thing that makes runs time out is shown with a real server that has it, and named."""

from __future__ import annotations

import json
import re
import shlex
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import adbc_driver_postgresql.dbapi as adbc
import pytest

from tests.support.builders import DAY, days, fill, source_rows
from tests.support.databases import Database, new_database
from tests.support.program import Run, Start, one_line
from tests.support.proxy import proxy
from tests.support.servers import Server, wait_until
from tests.support.terminal import on_a_terminal, plain
from tests.support.wording import facts

NAMES = {
    *("resolve", "tcp", "tls", "authentication", "first_query", "connect", "latency", "concurrency", "headroom"),
    *("pooler", "statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "connect_timeout"),
    *("idle_session_timeout", "synchronous_standby"),
    *("tcp_keepalives_idle", "tcp_keepalives_interval", "tcp_keepalives_count"),
    *("query_simple", "query_moderate", "query_complex", "long_queries", "idle_in_transaction"),
    *("lock_waits", "table_locks", "table_curtailment_records", "table_historical_bitcoin_calculations"),
    *("index_curtailment_records", "index_historical_bitcoin_calculations", "unique_index", "write_probe", "memory"),
}
FIELDS = {"name", "status", "value", "unit", "threshold", "detail", "advice"}
STATUSES = {"ok", "warn", "fail", "skip"}


def pasted(advice: str) -> list[str]:
    """The arguments of a command that an advice begins with, as a shell would take it."""
    program, *arguments = shlex.split(advice, comments=True)
    assert program == "recon", advice
    return arguments


def checks(done: Any, code: int = 0) -> dict[str, dict[str, Any]]:
    assert done.returncode == code, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert found["schema_version"] == 1
    assert found["risk"]["max"] == 14
    for check in found["checks"]:
        assert set(check) == FIELDS
        assert check["status"] in STATUSES
        assert check["detail"] or check["status"] == "ok"
        assert check["advice"] or check["status"] in ("ok", "skip") or check["detail"] == "no connection", check
    return {check["name"]: check for check in found["checks"]} | {"": found}


@contextmanager
def holding(database: Database, statement: str) -> Iterator[int]:
    """Another session that did something in a transaction and sits there; its process id."""
    with adbc.connect(database.url) as connection, connection.cursor() as cursor:
        cursor.execute("select pg_backend_pid()")
        (pid,) = cursor.fetchone()
        cursor.execute(statement)
        yield pid
        cursor.execute("select 1")
        assert cursor.fetchone() == (1,), "that session was left alone"
        connection.rollback()


@pytest.fixture
def indexed(database: Database) -> Database:
    """Tables with every index that a run uses."""
    fill(database, source_rows(days(DAY, 3)))
    for table in ("curtailment_records", "historical_bitcoin_calculations"):
        database.execute(f"create index on {table} (settlement_date)")
        database.execute(f"analyze {table}")
    database.add_unique_index()
    return database


def test_a_healthy_server_has_every_check_and_no_risk(indexed: Database, run_recon: Run) -> None:
    found = checks(run_recon("diagnose", "--json", url=indexed.url))
    assert set(found) >= NAMES
    assert found[""]["risk"] == {"score": 0, "max": 14, "level": "low"}
    assert {name: check["detail"] for name, check in found.items() if name and check["status"] == "fail"} == {}
    assert [found[f"index_{table}"]["status"] for table in ("curtailment_records", "historical_bitcoin_calculations")]
    assert re.search(r"10 .*p50 [\d.]+ ms, p95 [\d.]+ ms, max [\d.]+ ms", found["connect"]["detail"])
    assert found["latency"]["unit"] == "ms"
    assert "slowest: " in found["query_complex"]["detail"]
    assert re.fullmatch(r"100 .* 3 .* \d+ .* \d+ free", found["headroom"]["detail"])
    assert (found["write_probe"]["unit"], found["write_probe"]["value"] > 0) == ("rows/s", True)
    assert indexed.count("pg_class", "relname = 'recon_probe'") == 0


def test_a_terminal_shows_a_table_of_eighty_columns_and_the_risk(
    indexed: Database, environment: dict[str, str]
) -> None:
    indexed.execute("drop index one_calculation")
    code, shown = on_a_terminal(environment, "-d", indexed.url, "diagnose", "analyze")
    assert code == 0
    text = plain(shown)
    assert all(re.search(rf"^(ok|warn|skip) +{name}\b", text, re.MULTILINE) for name in NAMES)
    assert re.search(r"^ok +latency +[\d.]+ ms +max 50 ms$", text, re.MULTILINE)
    assert re.search(r"^ok +write_probe +[\d,]+ rows/s min 20,000 rows/s$", text, re.MULTILINE)
    table, end = text.split("\nrisk of timeouts: low (0 of 14)\n")
    assert max(map(len, table.splitlines())) <= 80
    assert "create unique index concurrently" in end


def test_missing_indexes_are_named_with_statements_that_mend_it(database: Database, run_recon: Run) -> None:
    fill(database, source_rows([DAY]))
    found = checks(run_recon("diagnose", "--json", url=database.url))
    names = ("index_curtailment_records", "index_historical_bitcoin_calculations", "unique_index")
    for name in names:
        assert found[name]["status"] == "warn"
        assert re.match(r"create (unique )?index concurrently ", found[name]["advice"], re.IGNORECASE)
        assert found[name]["advice"] in found[""]["recommendations"]
        database.execute(found[name]["advice"])
    mended = checks(run_recon("diagnose", "--json", url=database.url))
    assert [mended[name]["status"] for name in names] == ["ok"] * 3


def test_a_blocked_table_is_named_with_who_blocks_it_and_waiting_for_it_works(
    indexed: Database, run_recon: Run, start_recon: Start
) -> None:
    with holding(indexed, "lock table historical_bitcoin_calculations in access exclusive mode") as pid:
        started = time.monotonic()
        found = checks(run_recon("diagnose", "--json", url=indexed.url), 1)
        assert time.monotonic() - started < 30, "each probe waits for a lock for one second at most"
        assert found["table_locks"]["status"] == "fail"
        assert f"pid {pid} " in found["table_locks"]["detail"]
        assert "AccessExclusiveLock on historical_bitcoin_calculations" in found["table_locks"]["detail"]
        assert found["query_complex"]["status"] == "fail"
        assert "lock timeout" in found["query_complex"]["detail"]
        for name in ("write_probe", "table_curtailment_records", "index_historical_bitcoin_calculations"):
            assert found[name]["status"] == "ok", "what does not need the table is looked at all the same"
        assert found["table_historical_bitcoin_calculations"]["status"] == "skip"
        assert found[""]["risk"] == {"score": 4, "max": 14, "level": "moderate"}

        waiting = start_recon(*pasted(found["table_locks"]["advice"]), url=indexed.url)
        wait_until(lambda: indexed.count("pg_locks", "not granted"), 30, "the waiting run")
        found = checks(run_recon("diagnose", "--json", url=indexed.url), 1)
        assert found["lock_waits"]["status"] == "warn"
        assert str(pid) in facts(found["lock_waits"]["detail"])
        assert "recon/fix/" in found["lock_waits"]["detail"]
    assert waiting.wait(60) == 0
    assert indexed.count("historical_bitcoin_calculations") > 0


def test_a_session_idle_in_its_transaction_is_named(indexed: Database, run_recon: Run) -> None:
    with holding(indexed, "select count(*) from curtailment_records") as pid:
        time.sleep(5.2)
        found = checks(run_recon("diagnose", "--json", url=indexed.url))
        assert found["idle_in_transaction"]["status"] == "warn"
        assert f"pid {pid} " in found["idle_in_transaction"]["detail"]
        indexed.execute(found["idle_in_transaction"]["advice"])
    setting = "select count(*) from pg_db_role_setting where 'idle_in_transaction_session_timeout=60s' = any(setconfig)"
    assert indexed.scalar(setting) == 1, "what is recommended works"
    indexed.execute("alter role postgres reset idle_in_transaction_session_timeout")


def test_a_server_with_five_connections_has_no_room(own_server: Server, run_recon: Run) -> None:
    database = new_database(own_server)
    database.disconnect()
    own_server.execute("alter system set max_connections = 5")
    own_server.execute("alter system set superuser_reserved_connections = 0")
    own_server.stop()
    own_server.start()
    found = checks(run_recon("diagnose", "--json", "--connections", "8", url=database.url), 1)
    assert found["concurrency"]["status"] == "fail"
    assert "too many clients" in found["concurrency"]["detail"] or "slots" in found["concurrency"]["detail"]
    assert found["headroom"]["status"] == "warn"
    assert facts(found["headroom"]["detail"])[0] == "5"
    fill(database, source_rows([DAY]))
    database.disconnect()
    assert run_recon(*pasted(found["concurrency"]["advice"]), url=database.url).returncode == 0


def test_a_role_with_a_tiny_statement_timeout_is_told_so(server: Server, indexed: Database, run_recon: Run) -> None:
    server.create_role("hurried", "secret")
    indexed.execute("alter role hurried set statement_timeout = '100ms'")
    indexed.execute("grant select, insert on all tables in schema public to hurried")
    slow = "create function slow() returns boolean language sql as 'select pg_sleep(0.2) is not null'"
    indexed.execute(slow)
    indexed.execute("alter table curtailment_records rename to recorded")
    indexed.execute("create view curtailment_records as select * from recorded where (select slow())")
    indexed.execute("grant select on curtailment_records to hurried")
    url = server.role_url("hurried", "secret", indexed.name)
    found = checks(run_recon("diagnose", "--json", url=url), 1)
    setting = found["statement_timeout"]
    assert (setting["status"], setting["value"]) == ("fail", 100.0)
    assert re.match(r"100 ms, .*\bhurried\b", setting["detail"])
    assert found["query_complex"]["status"] == "fail"
    assert found["query_complex"]["threshold"] == 0.1
    indexed.execute('grant create on database "' + indexed.name + '" to hurried')
    indexed.execute("grant usage on all sequences in schema public to hurried")
    indexed.execute("truncate historical_bitcoin_calculations")
    assert run_recon("fix", url=url).returncode == 3
    assert run_recon(*pasted(setting["advice"]), url=url).returncode == 0, "what is recommended works"


@pytest.mark.timeout(300)  # a connection takes a dozen round trips
def test_a_distant_server_is_told_from_a_slow_one(indexed: Database, run_recon: Run) -> None:
    with proxy(indexed.server.port, delay_s=0.1) as far:
        url = far.url(indexed.name)
        found = checks(run_recon("diagnose", "--connections", "1", "--json", url=url, timeout=300))
        assert found["latency"]["status"] == "warn"
        assert 200 <= found["latency"]["value"] < 400
        assert re.search(r"\b[23]\d\d ms\b", found["latency"]["advice"])
        assert found["write_probe"]["status"] in ("ok", "warn")
        far.delay_s = 0.01  # the test has seen how far it is
        assert run_recon(*pasted(found["latency"]["advice"]), url=url).returncode == 0, "what is recommended works"


@contextmanager
def silent_server() -> Iterator[tuple[int, list[float]]]:
    """Accepts and never answers: its port, and how many seconds each client stayed."""
    stays: list[float] = []

    def keep(client: socket.socket) -> None:
        came = time.monotonic()
        while client.recv(1024):
            pass
        stays.append(time.monotonic() - came)

    def accept(listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                threading.Thread(target=keep, args=(client,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, args=(listener,), daemon=True).start()
        yield listener.getsockname()[1], stays


def test_a_server_that_never_answers_is_given_up_within_twelve_seconds(start_recon: Start) -> None:
    with silent_server() as (port, stays):
        url = f"postgresql://analyst@127.0.0.1:{port}/power"
        running = [start_recon("diagnose", command, "--json", url=url) for command in ("analyze", "test")]
        stdouts = [process.communicate(timeout=60)[0] for process in running]
        wait_until(lambda: len(stays) == 2, what="the end of both connections")
    assert 9 < min(stays) <= max(stays) < 12
    for process, stdout in zip(running, stdouts, strict=True):
        assert process.returncode == 3
        found = json.loads(stdout)
        (connect,) = (check for check in found["checks"] if check["name"] == "connect")
        assert connect["status"] == "fail"
        assert found["connected"] is False
    analyzed = json.loads(stdouts[0])
    assert analyzed["risk"]["level"] == "high"
    assert "never answers" in stdouts[0] and analyzed["recommendations"]


def test_nobody_there_is_said_by_the_phase_that_fails(run_recon: Run) -> None:
    found = checks(run_recon("diagnose", "--json", url="postgresql://a@127.0.0.1:1/none"), 3)
    assert found["tcp"]["status"] == "fail"
    assert "127.0.0.1 port 1" in found["tcp"]["detail"]
    found = checks(run_recon("diagnose", "--json", url="postgresql://a@no-such-host.invalid/none"), 3)
    assert found["resolve"]["status"] == "fail"
    assert "no-such-host.invalid" in found["resolve"]["detail"]


def test_tables_that_do_not_fit_hide_no_other_check(empty_database: Database, run_recon: Run) -> None:
    found = checks(run_recon("diagnose", "--json", url=empty_database.url), 1)
    assert "curtailment_records" in found["layout"]["detail"]
    assert (found["query_simple"]["status"], found["query_complex"]["status"]) == ("ok", "skip")
    assert found["write_probe"]["status"] == "ok"


def test_the_ladder_alone(indexed: Database, run_recon: Run) -> None:
    found = checks(run_recon("diagnose", "test", "--json", url=indexed.url))
    assert [check["name"] for check in found[""]["checks"]] == ["query_simple", "query_moderate", "query_complex"]
    assert all(check["unit"] == "s" and check["value"] < check["threshold"] for check in found[""]["checks"])


class TestNagios:
    def line(self, done: Any) -> str:
        (line,) = done.stdout.splitlines()
        return line

    def test_all_is_well(self, indexed: Database, run_recon: Run) -> None:
        done = run_recon("diagnose", "test", "--nagios", url=indexed.url)
        assert done.returncode == 0
        assert re.fullmatch(r"RECON OK - [^|]+ \| ('\w+'=[\d.e+-]+\w*(;[\d.e+-]+:?)? ?)+", self.line(done))

    def test_a_warning_is_1(self, indexed: Database, run_recon: Run) -> None:
        indexed.execute("drop index one_calculation")
        done = run_recon("diagnose", "--nagios", url=indexed.url)
        assert done.returncode == 1
        assert self.line(done).startswith("RECON WARNING - ")
        assert "unique_index: no unique index" in self.line(done)

    def test_a_failure_is_2(self, indexed: Database, run_recon: Run) -> None:
        with holding(indexed, "lock table curtailment_records in access exclusive mode"):
            done = run_recon("diagnose", "test", "--nagios", "--lock-timeout", "0.5", url=indexed.url)
        assert done.returncode == 2
        assert self.line(done).startswith("RECON CRITICAL - query_moderate: ")

    def test_no_connection_is_3(self, run_recon: Run) -> None:
        done = run_recon("diagnose", "--nagios", url="postgresql://a@127.0.0.1:1/none")
        assert done.returncode == 3
        assert self.line(done).startswith("RECON UNKNOWN - ")


class TestMonitor:
    def test_a_line_per_look_and_a_summary(self, indexed: Database, run_recon: Run) -> None:
        done = run_recon("diagnose", "monitor", "--interval", "0.1", "--count", "3", url=indexed.url)
        assert done.returncode == 0
        *looks, summary = done.stdout.splitlines()
        assert len(looks) == 3
        assert all(re.match(r"time=\S+ connect_ms=[\d.]+ latency_ms=[\d.]+ sessions=\d+ ", look) for look in looks)
        assert re.fullmatch(r"3 .* [\d.]+ ms, 0 .*", summary)

    def test_json_is_one_object_per_line(self, indexed: Database, run_recon: Run) -> None:
        done = run_recon("diagnose", "monitor", "--interval", "0.1", "--count", "2", "--json", url=indexed.url)
        *looks, last = map(json.loads, done.stdout.splitlines())
        assert [look["error"] for look in looks] == [None, None]
        worst = max(look["latency_ms"] for look in looks)
        assert last["summary"] == {"looks": 2, "worst_latency_ms": worst, "failures": 0}

    def test_a_server_that_is_away_is_a_failed_look(self, run_recon: Run) -> None:
        url = "postgresql://a@127.0.0.1:1/none"
        done = run_recon("diagnose", "monitor", "--interval", "0.1", "--count", "2", "--json", url=url)
        assert done.returncode == 0
        *looks, last = map(json.loads, done.stdout.splitlines())
        assert all("cannot connect" in look["error"] for look in looks)
        assert last["summary"]["failures"] == 2

    def test_an_interrupt_prints_the_summary_and_is_no_error(self, indexed: Database, start_recon: Start) -> None:
        running = start_recon("diagnose", "monitor", "--interval", "60", url=indexed.url)
        assert running.stdout.readline().startswith("time=")
        running.send_signal(signal.SIGINT)
        rest, _ = running.communicate(timeout=30)
        assert re.match(r"1 look, .* [\d.]+ ms, ", rest)
        assert running.returncode == 0

    def test_a_terminal_shows_a_live_table_and_ctrl_c_the_summary(
        self, indexed: Database, environment: dict[str, str]
    ) -> None:
        options = ("diagnose", "monitor", "--interval", "0.1")
        row = r"\d\d:\d\d:\d\d +[\d.]+ +[\d.]+ +\d+ +\d+ +\d+\s"
        code, shown = on_a_terminal(environment, "-d", indexed.url, *options, interrupt_at=rf"({row}\s*){{3}}")
        assert code == 0
        text = plain(shown)
        assert re.search(r"time \(UTC\) +connect ms +latency ms +sessions +waiting +idle in tx", text)
        assert len(set(re.findall(row, text))) >= 3
        assert re.search(r"\n\d+ looks, .* [\d.]+ ms, 0 .*\n$", text)
        assert max(map(len, text.splitlines())) <= 80


def test_what_failed_stands_first_and_no_risk_is_low_beside_it(indexed: Database, run_recon: Run) -> None:
    indexed.execute("alter table curtailment_records rename volume to mwh")
    done = run_recon("diagnose", url=indexed.url)
    assert done.returncode == 1
    statuses = re.findall(r"^(fail|warn|ok|skip) ", done.stdout, re.M)
    urgency = [("fail", "warn").index(status) if status in ("fail", "warn") else 2 for status in statuses]
    assert urgency[0] == 0 and urgency == sorted(urgency)
    assert "risk of timeouts: moderate" in done.stdout and "low" not in done.stdout.partition("risk of")[2]
    found = json.loads(run_recon("diagnose", "--json", url=indexed.url).stdout)
    assert (found["risk"]["level"], found["risk"]["score"] < 4) == ("moderate", True)


def test_where_no_connection_can_be_made_the_first_phase_that_failed_comes_first(run_recon: Run) -> None:
    done = run_recon("diagnose", url="postgresql://nobody@no-such-host.invalid/none")
    assert re.findall(r"^fail +(\w+)", done.stdout, re.M)[:2] == ["resolve", "connect"]


@pytest.mark.parametrize("given", ["the role", "the URL"])
def test_a_statement_timeout_that_lets_nobody_in_is_named(
    server: Server, indexed: Database, run_recon: Run, given: str
) -> None:
    url = f"{indexed.url}{'&' if '?' in indexed.url else '?'}options=-c%20statement_timeout%3D1ms"
    if given == "the role":
        server.create_role("rushed", "pw")
        indexed.execute("alter role rushed set statement_timeout = '1ms'")
        url = server.role_url("rushed", "pw", indexed.name)
    for command in (("status",), ("fix",), ("daily",)):
        line = one_line(run_recon(*command, url=url), 3)
        assert "the statement_timeout of the URL, role or database is too short" in line
        assert "SET statement_timeout" in line and "address is right" not in line
    found = json.loads(run_recon("diagnose", "--json", url=url).stdout)
    connect = next(check for check in found["checks"] if check["name"] == "connect")
    assert "SET statement_timeout" in connect["advice"]


def test_who_waits_for_a_lock_too_long_is_sent_to_diagnose(indexed: Database, run_recon: Run) -> None:
    with holding(indexed, "lock table curtailment_records in access exclusive mode"):
        line = one_line(run_recon("status", "--lock-timeout", "0.3", "-d", indexed.url), 3)
    assert f"see which with 'recon -d {indexed.url} diagnose'" in line
