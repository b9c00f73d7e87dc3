"""What the server said, in one line with a word for programs; and whether trying again can help."""

from __future__ import annotations

import adbc_driver_manager
import pytest

from recon.core.errors import ConnectError, DatabaseError, PermissionDenied, UsageError
from recon.postgres.errors import first_error_line, is_transient, translate

URL = "postgresql://ana@db/power"
LOST = "IO: [libpq] server closed the connection unexpectedly\n\tThis probably means the server terminated abnormally"


def driver_error(text: str, sqlstate: str | None = None) -> adbc_driver_manager.Error:
    return adbc_driver_manager.OperationalError(
        text, status_code=adbc_driver_manager.AdbcStatusCode.IO, sqlstate=sqlstate
    )


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
