"""Calculations whose settlement date is none of the calendar's: counted as orphans, and removed by their repair.

No date of a plan holds them, so they have a transaction of their own.
"""

from __future__ import annotations

import polars as pl

from recon.core.errors import DatabaseError
from recon.core.window import Window
from recon.postgres import ledger
from recon.postgres.layout import ROW_ID
from recon.postgres.scope import beyond_the_calendar
from recon.postgres.tables import Tables
from recon.values.changes import Changes


def remove(tables: Tables, run_id: str, window: Window) -> int:
    """Moves them to the quarantine, where the window is open on their side; how many. Counted as the run's changes.

    DatabaseError (`kept`) where the table keeps one of them, and IncompleteError where there are more than may change.
    """
    session = tables.session
    with session.transaction():
        undated = beyond_the_calendar(window)
        rows = tables.frame("reconcile/undated_rows", row_id=ROW_ID, undated=undated).with_columns(
            verdict=pl.lit("orphan"), action=pl.lit("remove"), settlement_date=pl.lit(None, pl.Date)
        )
        if rows.is_empty():
            return 0
        changes = Changes.begin(tables, run_id)
        changes.keep(rows)
        changes.remove(rows)
        session.settle_constraints()
        left = tables.undated(window).stored
        if left:
            raise DatabaseError(
                f"{left:,} rows without a date are still there", "see the table's triggers", code="kept"
            )
        ledger.count_changes(session, run_id, rows.height)
    return rows.height
