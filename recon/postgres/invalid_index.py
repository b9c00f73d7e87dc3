"""Indexes that were not finished: building one concurrently leaves it behind, INVALID, when it is stopped.

Every write keeps such an index up to date, and no query uses it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from recon.core.errors import ReconError
from recon.core.settings import Settings
from recon.postgres.layout import Layout
from recon.postgres.session import Session, connect


@dataclass(frozen=True)
class InvalidIndex:
    """One of them: its name as SQL, whether it is the unique index of `recon init`, and whether it is being built."""

    name: str
    is_ours: bool
    is_being_built: bool

    @property
    def drop(self) -> str:
        """The statement that removes it."""
        return f"DROP INDEX CONCURRENTLY {self.name};"


def invalid_indexes(session: Session, layout: Layout, oid: int | None = None) -> list[InvalidIndex]:
    """Those of the calculations table, or of the table `oid`."""
    table = layout.calculations_oid if oid is None else oid
    rows = session.query("postgres/invalid_indexes", table, sorted(layout.key_columns))
    return [InvalidIndex(**row) for row in rows]


@contextmanager
def telling(settings: Settings, layout: Layout, name: str) -> Iterator[None]:
    """Building the unique index: what stops it says, too, that an INVALID one is left, and how to get rid of it."""
    try:
        yield
    except ReconError as error:
        with suppress(ReconError), connect(settings, name, last_words=True) as session:
            left = [index for index in invalid_indexes(session, layout) if index.is_ours]
            if left:
                error.hint = (
                    f"the index {left[0].name} is left INVALID: 'recon init --unique-index' builds it anew, "
                    f"or remove it with {left[0].drop}"
                )
        raise
