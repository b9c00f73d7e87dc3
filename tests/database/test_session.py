"""Sessions on a real server: exact numbers, transactions, cancelling, and errors that say what happened."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import TypeAlias

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from recon.core.errors import DatabaseError, ExitCode, Interrupted
from recon.core.names import TableName
from recon.core.settings import Settings, Timeouts
from recon.postgres import session as driver
from recon.postgres import stopping
from recon.postgres.driver import scan_with_connectorx
from recon.postgres.errors import is_transient
from recon.postgres.session import COPIED_ROWS, connect
from tests.support.databases import Database
from tests.support.servers import wait_until

NUMBERS = ["10000.5", "100000000.5", "0.00000001", "0", "-36.42916667", "123456789012345678901234567890.12345678"]
DIGITS_38 = "9" * 38


Read: TypeAlias = Callable[..., pl.DataFrame]
READS = [driver.Session.frame, driver.Session.small]
"""Row by row as they come, and all at once."""


@pytest.fixture
def session(database: Database) -> Iterator[driver.Session]:
    with connect(database.settings, "recon/test") as session:
        yield session


def backend(session: driver.Session) -> int:
    """The process id of the session's backend."""
    return int(session.rows("select pg_backend_pid() as pid")[0]["pid"])


def one_column(name: str, *values: int) -> pl.DataFrame:
    return pl.DataFrame({name: values}, schema={name: pl.Int32})


class TestCopy:
    @pytest.mark.parametrize("on", ["database", "debian_database"])
    def test_numbers_arrive_exactly(self, request: pytest.FixtureRequest, on: str) -> None:
        database: Database = request.getfixturevalue(on)
        database.execute("create table numbers (place int, btc numeric, whole numeric, bounded numeric(30, 8))")
        frame = one_column("place", *range(len(NUMBERS))).with_columns(
            btc=pl.Series(NUMBERS).cast(pl.Decimal(38, 8)),
            whole=pl.lit(DIGITS_38).cast(pl.Decimal(38, 0)),
            bounded=pl.lit("0.1").cast(pl.Decimal(38, 8)),
        )
        with connect(database.settings) as session, session.transaction():
            assert session.copy(TableName("numbers"), frame) == len(NUMBERS)
        found = database.rows("select btc::text, whole::text, bounded::text from numbers order by place")
        assert [Decimal(btc) for btc, _, _ in found] == [Decimal(number) for number in NUMBERS]
        assert {(whole, bounded) for _, whole, bounded in found} == {(DIGITS_38, "0.10000000")}

    def test_a_table_may_have_a_schema_and_an_odd_name(self, database: Database, session: driver.Session) -> None:
        database.execute('create schema "Power 1"')
        database.execute('create table "Power 1"."odd ""name""" ("a b" int)')
        with session.transaction():
            assert session.copy(TableName('odd "name"', "Power 1"), one_column("a b", 1, 2)) == 2
        assert database.scalar('select sum("a b")::int from "Power 1"."odd ""name"""') == 3

    @pytest.mark.parametrize("rows", [COPIED_ROWS, 2 * COPIED_ROWS + 1])
    def test_what_takes_several_messages_arrives_once(
        self, database: Database, session: driver.Session, rows: int
    ) -> None:
        database.execute("create table many (n int)")
        with session.transaction():
            assert session.copy(TableName("many"), one_column("n", *range(rows))) == rows
        found = database.rows("select count(*)::int, count(distinct n)::int, min(n), max(n) from many")
        assert found == [(rows, rows, 0, rows - 1)]

    @pytest.mark.parametrize("place", [0, COPIED_ROWS - 1, COPIED_ROWS, 3 * COPIED_ROWS])
    def test_a_row_that_is_refused_in_any_message_leaves_nothing(
        self, database: Database, session: driver.Session, place: int
    ) -> None:
        database.execute(f"create table many (n int check (n <> {place}))")
        with pytest.raises(DatabaseError) as caught, session.transaction():
            session.copy(TableName("many"), one_column("n", *range(3 * COPIED_ROWS + 1)))
        assert caught.value.sqlstate == "23514"
        with session.transaction():
            assert session.copy(TableName("many"), one_column("n", place + 1)) == 1
        assert database.rows("select n from many") == [(place + 1,)]

    def test_no_row_is_a_copy_too(self, database: Database, session: driver.Session) -> None:
        database.execute("create table empty (n int)")
        with session.transaction():
            assert session.copy(TableName("empty"), one_column("n")) == 0

    def test_a_table_that_is_missing_is_not_made(self, database: Database, session: driver.Session) -> None:
        with pytest.raises(DatabaseError), session.transaction():
            session.copy(TableName("nowhere"), one_column("n", 1))
        assert database.scalar("select to_regclass('nowhere')::text") is None


class TestTransactions:
    def test_a_block_that_raises_leaves_nothing(self, database: Database, session: driver.Session) -> None:
        database.execute("create table notes (n int)")
        with pytest.raises(ZeroDivisionError), session.transaction():
            session.execute("insert into public.notes values ($1)", 1)
            raise ZeroDivisionError
        assert database.count("notes") == 0
        with session.transaction():
            session.execute("insert into public.notes values ($1)", 2)
        assert database.rows("select n from notes") == [(2,)]

    def test_a_failed_statement_leaves_nothing(self, database: Database, session: driver.Session) -> None:
        database.execute("create table notes (n int check (n > 0))")
        with pytest.raises(DatabaseError) as caught, session.transaction():
            session.execute("insert into public.notes values (1)")
            session.execute("insert into public.notes values (0)")
        assert caught.value.sqlstate == "23514"
        assert session.rows("select count(*)::int as n from public.notes") == [{"n": 0}]

    def test_a_savepoint_fails_on_its_own(self, database: Database, session: driver.Session) -> None:
        database.execute("create table notes (n int)")
        with session.transaction():
            session.execute("insert into public.notes values (1)")
            with pytest.raises(DatabaseError), session.savepoint():
                session.execute("insert into public.notes values (2)")
                session.execute("insert into nowhere values (2)")
            session.execute("insert into public.notes values (3)")
        assert database.rows("select n from notes order by n") == [(1,), (3,)]

    def test_a_read_only_transaction_cannot_write(self, database: Database, session: driver.Session) -> None:
        database.execute("create table notes (n int)")
        with pytest.raises(DatabaseError) as caught, session.transaction(read_only=True):
            session.execute("insert into public.notes values (1)")
        assert caught.value.sqlstate == "25006"

    def test_a_snapshot_does_not_move(self, database: Database, session: driver.Session) -> None:
        database.execute("create table notes (n int)")
        counts = []
        for snapshot in (True, False):
            with session.transaction(read_only=True, snapshot=snapshot):
                session.rows("select count(*)::int as n from public.notes")
                database.execute("insert into notes values (1)")
                counts += session.rows("select count(*)::int as n from public.notes")
        assert counts == [{"n": 0}, {"n": 2}]

    def test_whether_a_commit_happened_is_unknown_when_the_server_ends_the_session_in_it(
        self, database: Database, session: driver.Session
    ) -> None:
        """A deferred trigger sleeps within COMMIT, so that there is a COMMIT to be ended in."""
        database.execute("create table notes (n int)")
        database.execute(
            "create function slowly() returns trigger language plpgsql as "
            "'begin perform pg_sleep(30); return null; end'"
        )
        database.execute(
            "create constraint trigger slow after insert on notes deferrable initially deferred "
            "for each row execute function slowly()"
        )
        pid = backend(session)
        ender = threading.Thread(target=self._end_in_commit, args=(database, pid))
        ender.start()
        with pytest.raises(DatabaseError) as caught, session.transaction():
            session.execute("insert into public.notes values (1)")
        ender.join()
        assert caught.value.code == "commit_unknown"
        assert database.count("notes") == 0

    @staticmethod
    def _end_in_commit(database: Database, pid: int) -> None:
        asleep = f"select count(*) from pg_stat_activity where pid = {pid} and wait_event = 'PgSleep'"
        wait_until(lambda: database.scalar(asleep) == 1)
        database.execute(f"select pg_terminate_backend({pid})")


class TestStopping:
    def test_another_thread_can_cancel_what_a_session_does(self, session: driver.Session) -> None:
        canceller = threading.Timer(0.3, session.connection.cancel)
        canceller.start()
        started = time.monotonic()
        with pytest.raises(DatabaseError) as caught:
            session.execute("select pg_sleep(30)")
        assert time.monotonic() - started < 5
        assert caught.value.sqlstate == "57014"
        assert session.rows("select 1 as n") == [{"n": 1}]

    def test_the_order_to_stop_reaches_every_session_but_the_last_words(self, database: Database) -> None:
        with (
            stopping.own() as stop,
            connect(database.settings) as session,
            connect(database.settings, last_words=True) as last,
        ):
            stopper = threading.Timer(0.3, stopping.stop_all, [ExitCode.TERMINATED, stop])
            stopper.start()
            with pytest.raises(Interrupted) as caught:
                session.execute("select pg_sleep(30)")
            assert caught.value.exit_code is ExitCode.TERMINATED
            with pytest.raises(Interrupted):
                connect(database.settings)
            assert last.rows("select 1 as n") == [{"n": 1}]

    def test_a_statement_that_takes_too_long_is_ended_by_the_server(self, database: Database) -> None:
        settings = replace(database.settings, timeouts=Timeouts(statement_s=0.2))
        with connect(settings) as session, pytest.raises(DatabaseError) as caught:
            session.execute("select pg_sleep(30)")
        assert (caught.value.code, is_transient(caught.value)) == ("timeout", True)

    def test_a_lock_that_is_not_granted_is_given_up(self, database: Database) -> None:
        database.execute("create table notes (n int)")
        settings = replace(database.settings, timeouts=Timeouts(lock_s=0.2))
        with connect(database.settings) as rival, connect(settings) as session, rival.transaction():
            rival.execute("lock table public.notes")
            with pytest.raises(DatabaseError) as caught:
                session.execute("insert into public.notes values (1)")
        assert (caught.value.code, is_transient(caught.value)) == ("lock", True)

    def test_a_session_whose_backend_was_ended_says_so(self, database: Database, session: driver.Session) -> None:
        pid = backend(session)
        database.execute(f"select pg_terminate_backend({pid})")
        with pytest.raises(DatabaseError) as caught:
            session.execute("select 1")
        assert (caught.value.code, is_transient(caught.value)) == ("lost", True)


class TestSessionsLimits:
    def limits(self, settings: Settings) -> dict[str, str]:
        with connect(settings, "recon/test/7f3a") as session:
            return session.rows(
                "select current_setting('statement_timeout') as statement, current_setting('lock_timeout') as lock, "
                "current_setting('idle_in_transaction_session_timeout') as idle, "
                "current_setting('timezone') as zone, current_setting('application_name') as application"
            )[0]

    def test_are_recons_own_unless_told_otherwise(self, database: Database) -> None:
        expected = {"statement": "2min", "lock": "30s", "idle": "1min", "zone": "UTC", "application": "recon/test/7f3a"}
        assert self.limits(database.settings) == expected
        told = replace(database.settings, timeouts=Timeouts(statement_s=5, lock_s=0.5))
        assert self.limits(told) == expected | {"statement": "5s", "lock": "500ms"}

    def test_are_the_administrators_where_there_are_any(self, database: Database) -> None:
        database.execute(f"alter database {database.name} set statement_timeout = '7s'")
        assert self.limits(database.settings)["statement"] == "7s"


PATHS = "select current_setting('search_path') as path, current_setting('row_security') as security"
OURS = {"path": "pg_catalog, pg_temp", "security": "off"}
THEIRS = {"path": '"$user", public', "security": "on"}


class TestTheSearchPath:
    def test_is_ours_but_for_what_runs_as_the_user(self, session: driver.Session) -> None:
        assert session.rows(PATHS) == [OURS]
        with session.transaction():
            with session.as_user():
                assert session.rows(PATHS) == [THEIRS]
                with session.as_user():
                    assert session.rows(PATHS) == [THEIRS]
                assert session.rows(PATHS) == [THEIRS]
            assert session.rows(PATHS) == [OURS]
            assert session.frame(PATHS).to_dicts() == [OURS]
        with session.transaction(read_only=True, snapshot=True):
            assert session.rows(PATHS) == [OURS]

    def test_is_ours_again_whatever_went_wrong(self, session: driver.Session) -> None:
        with session.transaction():
            with pytest.raises(ZeroDivisionError), session.as_user():
                raise ZeroDivisionError
            assert session.rows(PATHS) == [OURS]
            with pytest.raises(DatabaseError), session.savepoint(), session.as_user():
                session.execute("select * from nowhere")
            assert session.rows(PATHS) == [OURS]
        with pytest.raises(DatabaseError), session.transaction(), session.as_user():
            session.execute("select * from nowhere")
        assert session.rows(PATHS) == [OURS]

    @pytest.mark.parametrize(
        ("setting", "url", "path"),
        [
            (None, "", "later, public"),
            (None, "?options=-csearch_path%3Dpower", "power"),
            ('"it\'s", power', "", '"it\'s", power'),
            ("", "", ""),
        ],
    )
    def test_of_the_user_is_the_roles_the_connections_or_the_one_asked_for(
        self, database: Database, setting: str | None, url: str, path: str
    ) -> None:
        database.execute(f"alter database {database.name} set search_path = later, public")
        settings = replace(database.settings, database_url=database.url + url, search_path=setting)
        with connect(settings) as session, session.transaction():
            with session.as_user():
                assert session.rows(PATHS)[0]["path"] == path
            assert session.rows(PATHS) == [OURS]

    def test_leaves_nothing_of_the_session_itself_changed(self, database: Database) -> None:
        """As another program would find it that gets the connection next."""
        query = "select name, setting from pg_settings where source = 'session'"
        with connect(database.settings) as session:
            with session.transaction(), session.as_user():
                pass
            session.connection.send_text(f"create temporary table seen as {query}")
            assert session.rows("select count(*) as n from pg_temp.seen") == [{"n": 0}]

    def test_of_a_statement_alone_is_reset_after_it(self, database: Database) -> None:
        with connect(database.settings) as session:
            session.alone("create index concurrently on public.curtailment_records (farm_id)", 5)
            session.connection.send_text(
                "create temporary table seen as select setting from pg_settings where source = 'session'"
            )
            assert session.rows("select count(*) as n from pg_temp.seen") == [{"n": 0}]
        assert database.count("pg_indexes", "indexdef like '%(farm_id)%'") == 1


class TestValues:
    def test_are_bound_and_never_read_as_sql(self, session: driver.Session) -> None:
        text = "'; drop table curtailment_records; --"
        assert session.rows("select $1::text as t, $2::int as n, $3::text as nothing", text, 7, None) == [
            {"t": text, "n": 7, "nothing": None}
        ]

    @pytest.mark.parametrize("read", READS)
    def test_come_back_as_a_frame_with_types(self, session: driver.Session, read: Read) -> None:
        statement = "select date '2024-04-20' as d, 1::int as n, 0.5::float8 as x, 'a' as t where $1"
        frame = read(session, statement, True)
        schema = {"d": pl.Date, "n": pl.Int32, "x": pl.Float64, "t": pl.String}
        expected = pl.DataFrame([(date(2024, 4, 20), 1, 0.5, "a")], schema=schema, orient="row")
        assert_frame_equal(frame, expected)

    def test_are_the_same_whether_all_at_once_or_as_they_come(self, session: driver.Session) -> None:
        kinds = "1.50::numeric n, 'NaN'::numeric u, null::text t, 1::int2 i, true b, 'x'::name m, 5::oid o, array[1] l"
        dated = "timestamptz '2024-04-20 06:10Z' at, date '0001-01-01' d, '{\"a\": 1}'::json j"
        statement = f"select {kinds}, {dated} from generate_series(1, 2) where $1 = any ($2)"
        values: tuple[object, ...] = ("b", ["a", "b"])
        whole = session.small(statement, *values)
        assert whole.height == 2
        assert whole.columns == session.frame(statement, *values).columns
        assert whole.rows() == session.frame(statement, *values).rows()

    @pytest.mark.parametrize("read", READS)
    def test_an_error_in_the_last_of_many_rows_keeps_its_sqlstate(self, session: driver.Session, read: Read) -> None:
        last = "select 1 / (100000 - i) as x, repeat('x', 200) as t from generate_series(1, 100000) i"
        with pytest.raises(DatabaseError, match=r"^division by zero$") as caught:
            read(session, last)
        assert caught.value.sqlstate == "22012"
        assert session.rows("select 1 as n") == [{"n": 1}]

    @pytest.mark.parametrize("read", READS)
    def test_a_timeout_after_many_rows_keeps_its_sqlstate(self, database: Database, read: Read) -> None:
        sleeping = "select repeat('x', 200) as t, pg_sleep(case i when 50000 then 30 end) is null as s"
        settings = replace(database.settings, timeouts=Timeouts(statement_s=0.5))
        with connect(settings) as session, pytest.raises(DatabaseError) as caught:
            read(session, f"{sleeping} from generate_series(1, 100000) i")
        assert (caught.value.sqlstate, caught.value.code) == ("57014", "timeout")

    def test_connectorx_reads_the_same_rows(self, database: Database, session: driver.Session) -> None:
        database.add_curtailment(("2024-04-20", 1, "T_A-1", "-1.5"), ("2024-04-21", 2, "T_B-1", "-2.25"))
        query = (
            "select settlement_date, volume::float8 as mwh from public.curtailment_records where settlement_date = '{}'"
        )
        queries = [query.format(day) for day in ("2024-04-20", "2024-04-21")]
        both = scan_with_connectorx(database.settings, queries).sort("settlement_date")
        assert both.rows() == [row for one in queries for row in session.frame(one).rows()]

    def test_connectorx_fails_with_one_line(self, database: Database) -> None:
        with pytest.raises(DatabaseError, match=r"ConnectorX could not read: .*nowhere") as caught:
            scan_with_connectorx(database.settings, ["select * from nowhere"])
        assert "\n" not in str(caught.value)
