from __future__ import annotations

import inspect

import pytest

from recon.core import errors
from recon.core.errors import (
    ConnectError,
    DatabaseError,
    ExitCode,
    IncompleteError,
    Interrupted,
    PermissionDenied,
    ReconError,
    UsageError,
)

CLASSES = [c for _, c in inspect.getmembers(errors, inspect.isclass) if issubclass(c, ReconError)]


def test_the_exit_codes_are_those_of_the_contract() -> None:
    assert {code.name: int(code) for code in ExitCode} == {
        "OK": 0,
        "DIFFERENCES": 1,
        "USAGE": 2,
        "DATABASE": 3,
        "INCOMPLETE": 4,
        "INTERRUPTED": 130,
        "TERMINATED": 143,
    }


def test_an_error_is_one_line_that_ends_with_the_next_step() -> None:
    error = UsageError("no database is named", "pass --database-url")
    assert str(error) == "no database is named; pass --database-url"
    assert str(UsageError("no database is named")) == "no database is named"


@pytest.mark.parametrize("kind", CLASSES)
def test_every_error_has_a_word_for_programs_and_an_exit_code_that_says_failure(kind: type[ReconError]) -> None:
    assert kind.code.isidentifier()
    assert kind.exit_code not in (ExitCode.OK, ExitCode.DIFFERENCES)


def test_errors_end_the_process_as_the_contract_says() -> None:
    assert UsageError("").exit_code == 2
    assert [kind("").exit_code for kind in (DatabaseError, ConnectError, PermissionDenied)] == [3, 3, 3]
    assert IncompleteError("").exit_code == 4
    assert Interrupted().exit_code == 130
    assert Interrupted(ExitCode.TERMINATED).exit_code == 143


def test_a_code_can_be_more_exact_than_its_class() -> None:
    assert UsageError("", code="no_database").code == "no_database"
    assert UsageError("").code == "usage"


def test_a_database_error_keeps_the_servers_code() -> None:
    assert DatabaseError("", sqlstate="57014").sqlstate == "57014"
    assert ConnectError("").sqlstate is None


def test_an_interruption_says_how_to_go_on() -> None:
    assert str(Interrupted()).startswith("interrupted; ")
    assert str(Interrupted(ExitCode.TERMINATED)).startswith("terminated; ")
    assert "recon resume" in Interrupted().hint
