"""What can go wrong, and the exit code each failure ends with."""

from __future__ import annotations

from enum import IntEnum
from typing import Any


class ExitCode(IntEnum):
    """The process exit codes of the contract; printed in `recon --help`."""

    OK = 0
    DIFFERENCES = 1
    USAGE = 2
    DATABASE = 3
    INCOMPLETE = 4
    INTERRUPTED = 130
    TERMINATED = 143


MEANINGS = {
    ExitCode.OK: "done and reconciled",
    ExitCode.DIFFERENCES: "differences (found or left)",
    ExitCode.USAGE: "usage or configuration",
    ExitCode.DATABASE: "database (unreachable, timed out or permission denied)",
    ExitCode.INCOMPLETE: "some dates failed or blocked (the others are done)",
    ExitCode.INTERRUPTED: "interrupted",
    ExitCode.TERMINATED: "terminated",
}
"""What each exit code says in the reference; in `recon --help` without what is in brackets."""


SCHEMA_VERSION = 1


def document(command: str | None = None, **fields: Any) -> dict[str, Any]:
    """A JSON document of the program: its version, the command that it answers, if it is an answer, and its fields."""
    return {"schema_version": SCHEMA_VERSION, **({} if command is None else {"command": command}), **fields}


class ReconError(Exception):
    """A failure the user can act on: one line that says what, where and how many, and a next step.

    The one base of every expected failure. `exit_code` is what the process ends with, `code` a stable
    word for programs (`error.code` in `--json`), `hint` what to do next.
    """

    exit_code = ExitCode.USAGE
    code = "usage"

    def __init__(self, message: str, hint: str = "", *, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        if code is not None:
            self.code = code

    def __str__(self) -> str:
        return f"{self.message}; {self.hint}" if self.hint else self.message

    def to_dict(self) -> dict[str, Any]:
        """The JSON document of a command that failed."""
        return document(error={"code": self.code, "message": self.message, "hint": self.hint})


class UsageError(ReconError):
    """An argument, option or setting that cannot be right."""


class DataFileError(ReconError):
    """A reference or data file that cannot be read or contradicts itself; names file and line."""

    code = "data_file"


class SchemaError(ReconError):
    """A table, column or type that is missing or unfit; says what was expected."""

    code = "schema"


class LedgerError(ReconError):
    """A ledger that does not fit this version, or a run it does not hold."""

    code = "ledger"


class DatabaseError(ReconError):
    """The server could not be reached, refused, or did not answer in time.

    `sqlstate` is the server's five-character code, or None when the connection itself failed.
    """

    exit_code = ExitCode.DATABASE
    code = "database"

    def __init__(self, message: str, hint: str = "", *, code: str | None = None, sqlstate: str | None = None) -> None:
        super().__init__(message, hint, code=code)
        self.sqlstate = sqlstate


class ConnectError(DatabaseError):
    """No connection could be made."""

    code = "connect"


class AddressError(ConnectError):
    """The connection string cannot be right: the driver refuses it before it looks for a server."""

    exit_code = ExitCode.USAGE
    code = "usage"


class PermissionDenied(DatabaseError):
    """The role may not do this; the hint is the GRANT it needs."""

    code = "permission"


class IncompleteError(ReconError):
    """Some dates failed, are blocked, or are being worked on by another run."""

    exit_code = ExitCode.INCOMPLETE
    code = "incomplete"


class Interrupted(ReconError):
    """A signal stopped the command; whatever was not committed was rolled back."""

    exit_code = ExitCode.INTERRUPTED
    code = "interrupted"

    def __init__(self, exit_code: ExitCode = ExitCode.INTERRUPTED) -> None:
        how = "terminated" if exit_code is ExitCode.TERMINATED else "interrupted"
        super().__init__(how, "what was committed is recorded; run 'recon resume' to finish")
        self.exit_code = exit_code


BUG = 70
"""EX_SOFTWARE: an error that is none of the expected ones; it keeps its traceback."""
