"""What keeps rows from being written to a table as they are: found before anything is planned, and named."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from recon.core.errors import DatabaseError, SchemaError
from recon.core.names import Table
from recon.core.schema import CALC_KEY
from recon.postgres.errors import STANDBY_HINT
from recon.postgres.session import Session


def standby_away(session: Session) -> str | None:
    """That every commit of ours waits for a synchronous standby that is not there; None where none does."""
    (found,) = session.query("postgres/standby")
    if not found["is_away"]:
        return None
    return f"the server's synchronous standby is away ({found['names']}): every commit waits for it"


def check_standby(session: Session) -> None:
    """DatabaseError where the first commit would not come back."""
    away = standby_away(session)
    if away:
        raise DatabaseError(away, STANDBY_HINT, code="standby")


def check(session: Session, table: Table, oid: int, models: Sequence[str], *, changing: bool) -> None:
    """SchemaError names the first thing of the calculations table that no row of these miner models gets past.

    changing: whether rows are to be changed and taken out, too. DatabaseError where no commit would come back.
    """
    check_standby(session)
    for row in session.query("postgres/obstacles", oid):
        problem = _problem(table, row, models, changing=changing)
        if problem:
            raise SchemaError(*problem)


def _problem(table: Table, row: dict[str, Any], models: Sequence[str], *, changing: bool) -> tuple[str, str] | None:
    kind, name, columns = row["kind"], row["name"], set(row["columns"])
    theirs = dict(table.columns)
    if kind == "generated" and name in theirs.values():
        what = f"{table.name}.{name} is a generated column, which only the database fills"
        return what, "name another one with --calculations-columns, or ALTER TABLE ... ALTER COLUMN ... DROP EXPRESSION"
    if kind == "insert rule" or (kind == "change rule" and changing):
        return f"{table.name} has a rule {name} instead of writing, which COPY does not follow", "make it a trigger"
    if kind == "unique index" and columns and columns <= set(theirs.values()):
        return _narrow(table, name, columns, models)
    if kind == "short" and name == theirs["miner_model"]:
        return _short(table, name, int(row["columns"][0]), models)
    return None


def _narrow(table: Table, index: str, columns: set[str], models: Sequence[str]) -> tuple[str, str] | None:
    """A unique index that lets a key have the row of one miner model only, or is narrower still."""
    wanted = [theirs for ours, theirs in table.columns if ours in CALC_KEY]
    absent = [column for column in wanted if column not in columns]
    if not absent or (len(models) == 1 and absent == [dict(table.columns)["miner_model"]]):
        return None
    what = f"{table.name} has a unique index {index} without {', '.join(absent)}: it keeps out rows that are wanted"
    return what, f"widen it to {', '.join(wanted)}: drop it, then 'recon init --unique-index'"


def _short(table: Table, column: str, most: int, models: Sequence[str]) -> tuple[str, str] | None:
    longest = max(models, key=len, default="")
    if len(longest) <= most:
        return None
    what = f"{table.name}.{column} holds {most} characters, and miner model {longest} has {len(longest)}"
    return what, f"ALTER TABLE {table.name.quoted} ALTER COLUMN {table.column('miner_model')} TYPE text;"
