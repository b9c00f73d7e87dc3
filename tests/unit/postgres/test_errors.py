"""The parts of recon.postgres that need no server."""

from __future__ import annotations

import re
from datetime import date
from urllib.parse import parse_qs, urlsplit

import adbc_driver_manager
import pytest

from recon.core.errors import ConnectError, DatabaseError, PermissionDenied, UsageError
from recon.core.settings import Settings, Timeouts
from recon.postgres.driver import connection_string
from recon.postgres.errors import first_error_line, is_transient, translate
from recon.postgres.sql import date_list, sql

URL = "postgresql://ana@db/power"
LOST = "IO: [libpq] server closed the connection unexpectedly\n\tThis probably means the server terminated abnormally"


def driver_error(text: str, sqlstate: str | None = None) -> adbc_driver_manager.Error:
    return adbc_driver_manager.OperationalError(
        text, status_code=adbc_driver_manager.AdbcStatusCode.IO, sqlstate=sqlstate
    )


def parameters(url: str) -> dict[str, list[str]]:
    return parse_qs(urlsplit(connection_string(Settings(database_url=url), "recon/fix/7f3a")).query)


class TestConnectionString:
    def test_names_the_application_and_bounds_every_wait(self) -> None:
        assert parameters(URL) == {
            "application_name": ["recon/fix/7f3a"],
            "connect_timeout": ["10"],
            "keepalives_idle": ["30"],
            "keepalives_interval": ["10"],
            "keepalives_count": ["3"],
            "tcp_user_timeout": ["60000"],
            "client_encoding": ["UTF8"],
        }

    @pytest.mark.parametrize("url", [URL + "?client_encoding=LATIN1", "host=db client_encoding=LATIN1"])
    def test_speaks_utf8_whatever_the_url_says(self, url: str) -> None:
        """The last of several of a name counts."""
        assert (
            re.findall(r"client_encoding='?(\w+)", connection_string(Settings(database_url=url), "recon"))[-1] == "UTF8"
        )

    def test_keeps_what_the_user_gave(self) -> None:
        given = parameters(URL + "?connect_timeout=3&application_name=mine&sslmode=require")
        assert given["connect_timeout"] == ["3"]
        assert given["application_name"] == ["mine"]
        assert given["sslmode"] == ["require"]

    @pytest.mark.parametrize("end", ["", "?", "?sslmode=require", "?sslmode=require&"])
    def test_is_a_url_whatever_the_given_one_ends_with(self, end: str) -> None:
        text = connection_string(Settings(database_url=URL + end), "recon")
        assert text.count("?") == 1
        assert "&&" not in text
        assert "?&" not in text

    def test_takes_libpqs_keyword_form(self) -> None:
        text = connection_string(Settings(database_url="service=power connect_timeout = 4"), "recon/status/1")
        assert text.startswith("service=power connect_timeout = 4 ")
        assert text.count("connect_timeout") == 1
        assert "application_name='recon/status/1'" in text

    def test_never_asks_libpq_for_less_than_two_seconds(self) -> None:
        settings = Settings(database_url=URL, timeouts=Timeouts(connect_s=0.2))
        assert "connect_timeout=2" in connection_string(settings, "recon")


class TestWhatCanPass:
    @pytest.mark.parametrize("state", ["40001", "40P01", "55P03", "57P01", "53300", "57014", "08006", "23505"])
    def test_trying_again_can_help(self, state: str) -> None:
        assert is_transient(DatabaseError("", sqlstate=state))

    @pytest.mark.parametrize("code", ["lost", "commit_unknown"])
    def test_a_session_that_was_lost_can_be_had_anew(self, code: str) -> None:
        assert is_transient(DatabaseError("", code=code))

    @pytest.mark.parametrize("state", ["22003", "23514", "42P01", "42703", "53100"])
    def test_trying_again_cannot_help(self, state: str) -> None:
        assert not is_transient(DatabaseError("", sqlstate=state))

    def test_what_recon_found_itself_stays_as_it_is(self) -> None:
        assert not is_transient(DatabaseError("3 rows have no difficulty or subsidy"))

    def test_only_an_unreachable_server_is_worth_a_second_connection(self) -> None:
        assert is_transient(ConnectError(""))
        assert not any(is_transient(ConnectError("", code=code)) for code in ("authentication", "no_database", "usage"))

    @pytest.mark.parametrize("error", [PermissionDenied("", sqlstate="42501"), UsageError(""), ValueError()])
    def test_other_errors_stay(self, error: Exception) -> None:
        assert not is_transient(error)


class TestWhatTheServerSaid:
    @pytest.mark.parametrize(
        ("text", "line"),
        [
            (
                'INVALID_ARGUMENT: [libpq] Failed to prepare: ERROR:  relation "x" does not exist\nLINE 1: x',
                'relation "x" does not exist',
            ),
            ('IO: [libpq] Failed to connect: FATAL:  database "x" does not exist\n', 'database "x" does not exist'),
            ("IO: [libpq] no connection to the server. SQLSTATE: 08006", "no connection to the server"),
            (LOST, "server closed the connection unexpectedly"),
        ],
    )
    def test_is_one_line_without_the_drivers_words(self, text: str, line: str) -> None:
        assert first_error_line(text) == line

    @pytest.mark.parametrize(
        ("state", "code"),
        [("57014", "timeout"), ("55P03", "lock"), ("57P01", "lost"), (None, "lost"), ("42P01", "database")],
    )
    def test_has_a_word_for_programs(self, state: str | None, code: str) -> None:
        error = translate(driver_error("ERROR:  it did not work", state), URL, set())
        assert (error.code, error.sqlstate, error.message) == (code, state, "it did not work")

    def test_a_refusal_asks_for_the_grant(self) -> None:
        error = translate(driver_error("ERROR:  permission denied for table x", "42501"), URL, set())
        assert isinstance(error, PermissionDenied)
        assert "GRANT" in error.hint

    def test_a_secret_is_struck_out(self) -> None:
        error = translate(driver_error("ERROR:  option s3cret is unknown"), URL, {"s3cret"})
        assert error.message == "option *** is unknown"

    @pytest.mark.parametrize(
        ("text", "code"),
        [
            ('FATAL:  password authentication failed for user "ana"', "authentication"),
            ("fe_sendauth: no password supplied", "authentication"),
            ('FATAL:  role "ana" does not exist', "authentication"),
            ('FATAL:  database "power" does not exist', "no_database"),
            ('FATAL:  no pg_hba.conf entry for host "1.2.3.4"', "refused"),
            ("server does not support SSL, but SSL was required", "refused"),
            ('invalid integer value "x" for connection option "port"', "usage"),
            ("connection to server failed: timeout expired", "connect"),
            ("FATAL:  sorry, too many clients already", "connect"),
            ("connection to server failed: Connection refused", "connect"),
        ],
    )
    def test_a_failed_connection_has_its_cause(self, text: str, code: str) -> None:
        error = translate(driver_error(f"IO: [libpq] Failed to connect: {text}"), URL, set(), connecting=True)
        assert isinstance(error, ConnectError)
        assert error.code == code
        assert error.message.startswith("cannot connect to postgresql://ana@db/power: ")
        assert error.hint


def test_dates_are_literals() -> None:
    assert date_list([date(2024, 4, 20), date(2024, 4, 21)]) == "array[date '2024-04-20', date '2024-04-21']::date[]"
    assert date_list([]) == "array[]::date[]"


def test_a_statement_comes_from_its_file_with_its_parts_filled_in() -> None:
    assert "'{search_path,row_security," in sql("postgres/session")
    assert '"my table"' in sql("sample/calculations", kind="", table='"my table"', id="", **_columns())


def _columns() -> dict[str, str]:
    from recon.core.names import CALCULATION_COLUMNS

    return {name: name for name in CALCULATION_COLUMNS}
