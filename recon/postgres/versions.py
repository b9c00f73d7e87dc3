"""Row versions: which rows of a table have not changed since some moment, without looking at their values.

PostgreSQL notes in each row on disk which transaction wrote it (xmin), and never changes a row but by a new version of
it. A row that is there with the version of a transaction which had ended by then was there then, as it is.
"""

from __future__ import annotations

from dataclasses import dataclass

from recon.postgres.sql import quoted, sql

OLDEST = 2**31 - 1
"""No version is older."""


@dataclass(frozen=True)
class Moment:
    """oldest: the oldest transaction (an xid) that was at work then; what is older had ended. source, stored: what the
    names of the two tables stood for (`identity`).
    """

    oldest: str
    source: str
    stored: str

    def older(self, relation: str, identity_then: str) -> str:
        """SQL for whether a row of the relation is older; none is where the name stands for another table now. The
        subquery is worked out once.
        """
        same = f"({identity(relation)}) = {quoted(identity_then)}"
        return f"age(xmin) > (select case when {same} then age({quoted(self.oldest)}::xid) else {OLDEST} end)"


def identity(relation: str) -> str:
    """SQL for what tells the table that bears that name from others."""
    return sql("postgres/identity", relation=quoted(relation))
