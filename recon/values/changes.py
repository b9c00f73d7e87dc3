"""Changing rows that are there: kept whole in the quarantine first, then replaced in place or removed.

What is kept is read under our own settings; what changes the table runs as its user would run it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from recon.core.errors import DatabaseError
from recon.core.wording import counted
from recon.postgres.session import Session
from recon.postgres.tables import Tables
from recon.postgres.whole_rows import WholeTable, parts, pin_text, places, whole_table

SEE_TRIGGERS = "see its triggers and rules ('\\d' in psql); they decide what becomes of its rows"


def dangers(tables: Tables) -> tuple[str, ...]:
    """What others would lose if rows were removed: foreign keys that take rows or values along, rules, children."""
    return tuple(
        row["danger"] for row in tables.session.query("values/removal_dangers", tables.layout.calculations_oid)
    )


def refusal(found: Sequence[str], rows: int) -> tuple[str, str]:
    """Why rows are not removed, and what to do."""
    more = f" and {len(found) - 1} more" if len(found) > 1 else ""
    what = f"{counted(rows, 'row')} would be removed, and others would lose something by it: {found[0]}{more}"
    return what, "leave duplicate and orphan out of --repair, or remove those rows by hand"


@dataclass(frozen=True)
class Changes:
    """Changes to the calculations within a transaction, for which rows are kept under one run."""

    tables: Tables
    table: WholeTable
    run_id: str

    @classmethod
    def begin(cls, tables: Tables, run_id: str) -> Changes:
        """To be called inside the transaction."""
        pin_text(tables)
        return cls(tables, whole_table(tables), run_id)

    @property
    def session(self) -> Session:
        """The session of the transaction."""
        return self.tables.session

    @property
    def parts(self) -> dict[str, str]:
        """What fills in the SQL files."""
        return parts(self.tables, self.table)

    def keep(self, rows: pl.DataFrame) -> None:
        """Copies stored rows to the quarantine, whole. rows: row_id, verdict, action, settlement_date."""
        ids = rows.get_column("row_id").to_list()
        table = self.table
        (found,) = self.session.query(
            "values/quarantine_keep",
            self.run_id,
            ids,
            *(rows.get_column(name).to_list() for name in ("verdict", "action")),
            places(ids),
            _dates(rows),
            table.relation,
            table.identity,
            table.types_json,
            **self.parts,
        )
        if found["rows"] != len(ids):
            raise self._changed(len(ids) - found["rows"])

    def replace(self, rows: pl.DataFrame) -> list[str]:
        """Writes `bitcoin_mined` and `difficulty` (as text) of the rows into the stored rows of these `row_id`s, in
        place; where each is then, in the order given.
        """
        ids = rows.get_column("row_id").to_list()
        values = [rows.get_column(name).to_list() for name in ("bitcoin_mined", "difficulty")]
        with self.session.as_user():
            where = (places(ids), _dates(rows))
            found = self.session.query("values/calculations_update", ids, *values, *where, **self.parts)
        now = {row["old_id"]: row["new_id"] for row in found}
        self._check_all(ids, now)
        return [now[row_id] for row_id in ids]

    def note_after(self, rows: pl.DataFrame, now: Sequence[str]) -> None:
        """Notes in the quarantine what stands in place of replaced rows, whole."""
        ids = rows.get_column("row_id").to_list()
        values = [rows.get_column(name).to_list() for name in ("bitcoin_mined", "difficulty")]
        (found,) = self.session.query(
            "values/quarantine_after",
            self.run_id,
            ids,
            list(now),
            *values,
            places(now),
            _dates(rows),
            **self.parts,
        )
        if found["rows"] != len(ids):
            raise self._kept(
                counted(len(ids) - found["rows"], "row was changed once more", "rows were changed once more")
            )

    def remove(self, rows: pl.DataFrame) -> None:
        """Removes stored rows by their `row_id`, unless others would lose something by it."""
        if found := dangers(self.tables):
            raise DatabaseError(*refusal(found, rows.height), code="referenced")
        ids = rows.get_column("row_id").to_list()
        with self.session.as_user():
            gone = self.session.query("values/calculations_delete", ids, places(ids), _dates(rows), **self.parts)
        self._check_all(ids, [row["row_id"] for row in gone])

    def insert(self, texts: list[str], columns: Sequence[str]) -> list[str]:
        """Puts rows back, each given as the text of a whole row, in these columns; where each is then."""
        into = self.table.insertion(columns)
        with self.session.as_user():
            found = self.session.query("values/calculations_insert", texts, **self.parts, **into)
        now = [row["new_id"] for row in found]
        if len(now) != len(texts):
            raise self._kept(counted(len(texts) - len(now), "row was not taken", "rows were not taken"))
        return now

    def _check_all(self, ids: Sequence[str], done: Iterable[str]) -> None:
        """Stops the chunk where not all rows were changed: it is tried again where somebody changed one meanwhile, and
        not where the table itself left one as it was.
        """
        left = sorted(set(ids) - set(done))
        if not left:
            return
        (found,) = self.session.query("values/still_there", left, places(left), **self.parts)
        stay = counted(found["rows"], "row stays as it was", "rows stay as they were")
        raise self._kept(stay) if found["rows"] else self._changed(len(left))

    def _kept(self, what: str) -> DatabaseError:
        return DatabaseError(f"{what} in {self.table.relation}", SEE_TRIGGERS, code="kept")

    @staticmethod
    def _changed(rows: int) -> DatabaseError:
        what = (
            counted(rows, "row changed while it was to be", "rows changed while they were to be")
            + " replaced or removed"
        )
        return DatabaseError(what, "run 'recon resume'", code="changed", sqlstate="40001")


def _dates(rows: pl.DataFrame) -> list[date] | None:
    """The rows' dates, by which the server finds them sooner; None where one has no date of the calendar."""
    days = rows.get_column("settlement_date").unique().sort().to_list()
    return None if None in days else days
