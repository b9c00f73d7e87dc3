"""What our transactions begin and end with: settings that are local to them, so that nothing of ours stays behind in a
connection which a pooler gives to somebody else next.

Our own statements see nothing but the server's own functions, operators and types, and every row. Statements that write
the user's table run under the user's own search_path and row_security, on which its triggers may count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from recon.core.settings import Timeouts
from recon.postgres.sql import quoted

PINNED_PATH = "pg_catalog,pg_temp"
PINNED = f"set local search_path = {PINNED_PATH}; set local row_security = off"
"""SET, not set_config: it takes no snapshot, so that one of another session can be set after it."""
FORMATS = "set local timezone = 'UTC'; set local datestyle = 'ISO'; set local extra_float_digits = 1"
LIMITS_MS = {"statement_timeout": 120_000, "lock_timeout": 30_000, "idle_in_transaction_session_timeout": 60_000}
"""Ours, where neither an option nor an administrator has set one."""
FROM_CLIENT = "client"
"""Where a server says that our application name came from, as long as it was ourselves who connected. A pooler connects
under a name of its own, and SETs that of whom it lends the connection to."""


@dataclass(frozen=True)
class Caller:
    """What the server would be set to without us: the user's own search_path and row_security, our limits in their
    place, and whether a pooler stands between.
    """

    search_path: str
    row_security: str
    limits_ms: tuple[tuple[str, int], ...]
    is_pooled: bool

    @classmethod
    def parse(cls, rows: Sequence[dict[str, Any]], timeouts: Timeouts, search_path: str | None, url: str) -> Caller:
        """rows: those of session.sql. search_path: one that was asked for.

        What RESET gives back is meant, since behind a pooler another client may have left anything. Only who asks for a
        search_path when connecting gets what is set: a pooler that passes it on sets it like that.
        """
        found = {row["name"]: row for row in rows}
        own = {name: str(row["reset_val"] or "") for name, row in found.items()}
        asked = (timeouts.statement_s, timeouts.lock_s, timeouts.idle_s)
        limits = [
            (name, round(s * 1000) if s is not None else int(own[name] or 0) or ours)
            for (name, ours), s in zip(LIMITS_MS.items(), asked, strict=True)
        ]
        connected = found["search_path"]["setting"] if "search_path" in url else own["search_path"]
        return cls(
            search_path=connected if search_path is None else search_path,
            row_security=own["row_security"],
            limits_ms=tuple(limits),
            is_pooled=found["application_name"]["source"] != FROM_CLIENT,
        )

    @property
    def statement_s(self) -> float:
        """How long a statement may take."""
        return dict(self.limits_ms)["statement_timeout"] / 1000

    def begin(self, isolation: str, access: str) -> str:
        """BEGIN with all our settings, to be sent in one message."""
        return f"begin isolation level {isolation} {access}; {PINNED}; {FORMATS}; {self.limits('local')}"

    def limits(self, extent: str) -> str:
        """SETs of the timeouts: `local` to a transaction, or of the `session`."""
        return "; ".join(f"set {extent} {name} = {ms}" for name, ms in self.limits_ms)

    def as_user(self, *, copying: bool = False) -> str:
        """What the user's triggers find set until the end of the transaction, or until PINNED.

        copying: the driver asks the catalogue for the table's columns first. Where the user's path puts pg_catalog
        behind other schemas, its operators could be anybody's; there it comes first.
        """
        path = f"pg_catalog, {self.search_path}" if copying and "pg_catalog" in self.search_path else self.search_path
        given = {"search_path": path, "row_security": self.row_security}
        calls = (f"pg_catalog.set_config('{name}', {quoted(value)}, true)" for name, value in given.items())
        return f"select {', '.join(calls)}"
