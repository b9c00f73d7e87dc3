"""The database every trial begins with: curtailment, rows that others stored, and a table that is none of recon's."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from tests.support.builders import days, fill, source_rows
from tests.support.databases import TABLES, Database
from tests.support.servers import Server

DATES = days(date(2024, 4, 14), 14)
"""Across a halving, so that a wrong date has a wrong value."""
SOURCE = source_rows(DATES, farms=12, periods=(1, 17, 24, 46), seed=5)
STALE = (Decimal("0.5"), 1)
"""BTC and difficulty of the rows that were there before: not what recon would write, and not for it to change."""
BEFORE = [
    (day, period, farm, model, *STALE)
    for day, period, farm in sorted({row[:3] for row in SOURCE if row[0] in (DATES[3], DATES[9])})
    for model in ("S9", "M20S")
    if period < 20
]
TEMPLATE = "faults"
OTHERS = "create table notes_of_others as select n as id, 'note ' || n as note from generate_series(1, 100) n"


def make_template(server: Server) -> None:
    """The database that every trial gets a copy of."""
    template = Database(server, TEMPLATE, server.create_database(TEMPLATE))
    set_up(template)
    template.disconnect()


def set_up(database: Database) -> None:
    """The same in a database that cannot be a copy."""
    for statement in [*filter(str.strip, TABLES.split(";")), OTHERS]:
        database.execute(statement)
    fill(database, SOURCE)
    database.add_calculations(*BEFORE)
