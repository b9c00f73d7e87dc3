"""Errors of the server and its driver, translated into ours.

A server speaks the language it is set to: an error is recognized by its SQLSTATE, and its words are only quoted.
https://www.postgresql.org/docs/current/errcodes-appendix.html
"""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from recon.core.errors import AddressError, ConnectError, DatabaseError, PermissionDenied
from recon.core.names import quote_identifier

TRANSIENT_STATES = {
    *("40001", "40P01", "55P03", "57P01", "57P02", "57P03", "57P05", "53300", "57014", "25P03", "25P04", "23505")
}
"""What can pass when tried again: serialization, deadlock, lock wait, shutdown and crash, a session ended for idling or
for a long transaction, too many connections, statement timeout, and a row that a rival wrote first (the next attempt
sees it)."""
RESUME = "then run 'recon resume'"
ENDS_RUN = {
    "2200H": f"let the sequence count further (its type and the column's may have to become bigint), {RESUME}",
    "25006": "it is a standby, or set to read-only (default_transaction_read_only): name the primary, or wait",
    "42P01": "a table has gone meanwhile; look with 'recon status'",
    "3F000": "a schema has gone meanwhile; look with 'recon status'",
    "42703": "a column has gone meanwhile; look with 'recon status'",
    "428C9": "the database fills this column itself: name another one with --calculations-columns",
}
"""Errors that every date would meet and that end the run, by SQLSTATE, and what to do about them."""
HINTS = {
    "23502": f"give the column a default, or let it hold null, {RESUME}",
    "23503": f"add the row it refers to in the other table, or end what refers to the row that would go, {RESUME}",
    "23514": f"change the check constraint, or create the partition the date belongs to, {RESUME}",
    "23P01": f"the table's exclusion constraint is in the way: change it, {RESUME}",
    "22001": f"widen the column (ALTER TABLE ... ALTER COLUMN ... TYPE text), {RESUME}",
    "22003": f"widen the column (ALTER TABLE ... ALTER COLUMN ... TYPE numeric), {RESUME}",
    "53100": f"make room on the server's disk, {RESUME}",
    "58030": f"the server cannot read or write its files; when it can, {RESUME}",
    "53200": f"the server is out of memory: use fewer --workers or a smaller batch, {RESUME}",
    "54000": f"a limit of the server is in the way: use a smaller batch, {RESUME}",
    "P0001": f"a trigger of the table refuses it: change what it objects to, {RESUME}",
}
"""What to do about an error that fails a date and does not pass by itself, by SQLSTATE."""
ANOTHER_INDEX = f"a unique index of the table is in the way: widen or drop it (or set the sequence that lags), {RESUME}"
ENDED = {
    "57P05": ("idle_session_timeout", "give recon's role more: ALTER ROLE ... SET idle_session_timeout = 0"),
    "25P03": ("idle_in_transaction_session_timeout", "give it more with --idle-timeout SECONDS"),
    "25P04": ("transaction_timeout", "ALTER ROLE ... SET transaction_timeout = 0 for recon's role; or a smaller batch"),
}
"""The settings by which a server ends sessions. It says so without a SQLSTATE while the session is idle."""
NO_TEXT = ("22021", "22P05")
"""Bytes that are no text in the encoding that they are said to be in, or that UTF-8 does not have."""


@dataclass(frozen=True)
class Cause:
    """What a SQLSTATE stands for: our code, what to do about it, and the line (`{}` is the server's)."""

    code: str
    hint: str
    line: str = "{}"


CAUSES = {
    "57014": Cause("timeout", "raise --statement-timeout, or use a smaller batch"),
    "55P03": Cause("lock", "another session holds the lock; see which with 'recon diagnose', then try again"),
    "25006": Cause("read_only", ENDS_RUN["25006"], "the server takes no changes: {}"),
    **dict.fromkeys(
        NO_TEXT,
        Cause(
            "encoding",
            "mend those bytes, or move the data into a database in UTF8; recon speaks UTF-8",
            "the database holds bytes that are no text: {}",
        ),
    ),
    **{
        state: Cause("ended", f"{remedy}; {RESUME}", f"the server ended the session by its {setting} ({{}})")
        for state, (setting, remedy) in ENDED.items()
    },
}
QUALIFY = "qualify the names in the function with their schema, or ALTER FUNCTION ... SET search_path"
MISSING_GRANT = "ask its owner for the missing GRANT (all are in 'recon guide privileges'), or to do it"
WITHOUT_STANDBY = "ALTER SYSTEM SET synchronous_standby_names = ''; SELECT pg_reload_conf();"
STANDBY_HINT = f"have it back, or let the server go on without it: {WITHOUT_STANDBY}"
"""What to do about a synchronous standby that is away."""
IN_ENGLISH = {
    "password authentication failed": "28P01",
    r'role "[^"]*" (does not exist|is not permitted to log in)': "28000",
    "no pg_hba.conf entry": "28000",
    r'database "[^"]*" does not exist': "3D000",
    r'database "[^"]*" is not currently accepting connections': "55000",
    "permission denied for database": "42501",
    "too many (clients|connections)|remaining connection slots": "53300",
    "the database system is": "57P03",
    "due to statement timeout": "57014",
    "idle-session timeout": "57P05",
    "idle-in-transaction timeout": "25P03",
    "transaction timeout": "25P04",
}
"""A server's words where libpq hands on nothing else, and what they say. Others are asked again (`handshake`)."""
CONNECTING = {
    "28P01": ("authentication", "check user and password (~/.pgpass and PGPASSWORD are read)"),
    "28000": ("authentication", "check the user in the URL: is there such a role, and may it log in?"),
    "3D000": ("no_database", "check the database's name in the URL"),
    "55000": ("refused", "it is closed to connections: name another database"),
    "42501": ("refused", "ask its owner for: GRANT CONNECT ON DATABASE ... TO ..."),
    "53300": ("connect", "the server has no free connection; use fewer --workers or try later"),
    "57014": (
        "timeout",
        (
            "the statement_timeout of the URL, role or database is too short: leave it out, or ALTER ROLE ... "
            "SET statement_timeout = '2min'"
        ),
    ),
    "57P03": ("connect", "the server is starting, stopping or recovering; try again in a minute"),
}
NOT_LET_IN = ("refused", "check sslmode, the certificate and the server's pg_hba.conf")
UNREACHABLE = ("connect", "check that the server runs and that the address is right")
LIBPQ = {
    "no password supplied": CONNECTING["28P01"],
    "certificate|SSL|does not support": NOT_LET_IN,
    'invalid (connection option|URI|sslmode|port|integer|\\S+ value|")|missing': (
        "usage",
        "check the database URL: postgresql://user@host:5432/database",
    ),
    "timeout expired": ("connect", "the server did not answer in time; see 'recon diagnose'"),
}
"""libpq's own words, which are English wherever it runs."""
UNKNOWN_NAMES = {"42P01", "42883", "42704", "3F000"}
"""A table, function, type or schema that does not exist."""
NOT_LOST = {"NOT_IMPLEMENTED", "INVALID_ARGUMENT", "INVALID_DATA", "NOT_FOUND", "ALREADY_EXISTS"}
"""The driver's status codes for what it refuses itself, without the server."""


@dataclass(frozen=True)
class Said:
    """The facts of a driver's exception: the server's first line, its DETAIL, and what they are about.

    context: the function in which the server met the error; empty for one in the statement itself.
    """

    line: str
    detail: str = ""
    sqlstate: str | None = None
    status: str = ""
    context: str = ""

    @classmethod
    def of(cls, error: Any, secrets: set[str]) -> Said:
        """A driver's exception, without secrets."""
        fields = {name: value.decode("utf-8", "replace") for name, value in _details(error)}
        state = error.sqlstate
        line = fields.get("PG_DIAG_MESSAGE_PRIMARY") or first_error_line(str(error))
        # Only a value that is out of range has no DETAIL, but a place.
        more = fields.get("PG_DIAG_MESSAGE_DETAIL") or (fields.get("PG_DIAG_CONTEXT", "") if _of_values(state) else "")
        for secret in secrets:
            line, more = line.replace(secret, "***"), more.replace(secret, "***")
        status = getattr(error, "status_code", None)
        context = fields.get("PG_DIAG_CONTEXT", "").split("\n")[0]
        return cls(line.split("\n")[0], more.split("\n")[0].rstrip("."), state, getattr(status, "name", ""), context)

    @property
    def whole(self) -> str:
        """Line and detail as one."""
        return f"{self.line}: {self.detail}" if self.detail else self.line


def _details(error: Any) -> list[tuple[str, bytes]]:
    return [(name.decode() if isinstance(name, bytes) else name, value) for name, value in error.details or []]


def _of_values(state: str | None) -> bool:
    return state is not None and state.startswith("22")


SERVER_WORDS = re.compile(r"(?<!\S)[^\s:\[\]]+:\s\s+(.+)")
"""libpq writes `SEVERITY:  words`, the severity in the server's language."""


def server_spoke(text: str) -> bool:
    """Whether the words are a server's, and not libpq's own."""
    return SERVER_WORDS.search(text) is not None


def first_error_line(text: str) -> str:
    """The server's message, without the driver's wrapping and without the query.

    >>> first_error_line("IO: [libpq] Failed to prepare: FEHLER:  Relation »x« existiert nicht\\nLINE 1: x")
    'Relation »x« existiert nicht'
    """
    spoken = SERVER_WORDS.search(text)
    line = spoken.group(1) if spoken else text
    line = re.sub(r"^[A-Z_]+: (\[libpq\] )?", "", line.strip()).split("\n")[0]
    return re.sub(r"\s*\. SQLSTATE: \w+$", "", line).strip()


def state_in_english(text: str) -> str | None:
    """The SQLSTATE of a message that came without one, where its words are English."""
    return next((state for words, state in IN_ENGLISH.items() if re.search(words, text)), None)


def is_transient(error: BaseException) -> bool:
    """Whether trying again can help; never for data or permission errors."""
    if not isinstance(error, DatabaseError) or isinstance(error, PermissionDenied):
        return False
    if isinstance(error, ConnectError):
        return error.code == "connect"
    if error.sqlstate is None or error.code == "unique":
        return error.code in ("lost", "commit_unknown")
    return error.sqlstate in TRANSIENT_STATES or error.sqlstate.startswith("08")


def ends_run(error: DatabaseError) -> bool:
    """Whether no other date can fare better."""
    return isinstance(error, (PermissionDenied, ConnectError)) or error.sqlstate in ENDS_RUN


def keeps_out(error: DatabaseError, columns: AbstractSet[str]) -> DatabaseError:
    """The error, or where it tells of a unique index that is not over these columns, one that no rival explains.

    The DETAIL names the index's columns in whatever language: `(a, b)=(1, 2)`.
    """
    if error.sqlstate != "23505":
        return error
    index = re.search(r"\(([^()=]*)\)=\(", error.message)
    named = {name.strip().strip('"') for name in index[1].split(",")} if index else set()
    return error if columns <= named else DatabaseError(error.message, ANOTHER_INDEX, code="unique", sqlstate="23505")


def row_security_denied(what: str, role: str = "", sqlstate: str | None = None) -> PermissionDenied:
    """The error that row security hides rows: what is filtered can be neither counted nor repaired."""
    who = quote_identifier(role) if role else "ROLE"
    return PermissionDenied(
        f"row security hides rows of {what}" + (f" from role {who}" if role else ""),
        f"ask for: ALTER ROLE {who} BYPASSRLS, or for a role that the policies do not filter",
        sqlstate=sqlstate,
    )


def translate(
    error: Any,
    url: str,
    secrets: set[str],
    *,
    connecting: bool = False,
    sqlstate: str | None = None,
    pinned: bool = False,
) -> DatabaseError:
    """A driver's exception as ours: one line, no secret, with what to do next.

    sqlstate: where it is known better. pinned: the statement ran under our search_path, not under the user's.
    """
    said = Said.of(error, secrets)
    if connecting:
        return _connect_error(said.line, str(error), url, sqlstate or state_in_english(str(error)))
    state = said.sqlstate or sqlstate or state_in_english(said.line)
    if state == "42501":
        return _denied(said.line)
    if pinned and state in UNKNOWN_NAMES and said.context:
        line = f"a function that is called by a table needs a search_path: {said.line} ({said.context})"
        return DatabaseError(line, QUALIFY, code="search_path", sqlstate=state)
    if state in CAUSES:
        cause = CAUSES[state]
        return DatabaseError(cause.line.format(said.line), cause.hint, code=cause.code, sqlstate=state)
    if state is None and said.status in NOT_LOST and "connection" not in said.line:
        return DatabaseError(said.line, "this is no trouble of the server: see --verbose", code="driver")
    if state is None or state.startswith(("08", "57P")):
        return DatabaseError(said.line, "run 'recon resume' when the server is back", code="lost", sqlstate=state)
    return DatabaseError(said.whole, ENDS_RUN.get(state) or HINTS.get(state, ""), sqlstate=state)


def _denied(line: str) -> PermissionDenied:
    """What an error of SQLSTATE 42501 lacks: rights on rows, ownership, or a GRANT."""
    if hidden := re.search(r'affected by row-level security .*"(.+)"', line):
        return row_security_denied(hidden[1], sqlstate="42501")
    hint = "ask its owner to do this" if "must be owner" in line else MISSING_GRANT
    return PermissionDenied(line, hint, sqlstate="42501")


def _connect_error(line: str, text: str, url: str, state: str | None) -> ConnectError:
    by_words = next((cause for words, cause in LIBPQ.items() if state is None and re.search(words, text)), UNREACHABLE)
    code, hint = NOT_LET_IN if "pg_hba.conf" in text else CONNECTING.get(state or "", by_words)
    kind = AddressError if code == "usage" else ConnectError
    return kind(f"cannot connect to {url}: {line}", hint, code=code)
