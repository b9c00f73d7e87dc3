"""Indexes that another one makes superfluous: every row is written to them, and no query needs them."""

from __future__ import annotations

from dataclasses import dataclass

from recon.postgres.layout import Layout
from recon.postgres.session import Session
from recon.postgres.sql import sql


@dataclass(frozen=True)
class SuperfluousIndex:
    """One of them: its name as SQL, that of the index which begins with the same columns, and whether it is the index
    of a partitioned table.
    """

    name: str
    kept: str
    is_partitioned: bool

    @property
    def drop(self) -> str:
        """The statement that removes it; PostgreSQL drops that of a partitioned table only while nobody uses it."""
        how = "" if self.is_partitioned else "CONCURRENTLY "
        return f"DROP INDEX {how}{self.name};"

    @property
    def why(self) -> str:
        """What makes it superfluous, and what it costs: measured for one on the date beside the unique index."""
        return (
            f"{self.name} is superfluous: {self.kept} begins with the same columns. "
            "Every row is written to both; a second index on the date took a quarter of a load"
        )


def superfluous_indexes(session: Session, layout: Layout) -> list[SuperfluousIndex]:
    """Those of the calculations table, by name."""
    rows = session.rows(sql("postgres/superfluous_indexes"), layout.calculations_oid)
    return [SuperfluousIndex(**row) for row in rows]
