"""Taking wrong and surplus rows out of the table: each is copied whole to the quarantine in the same transaction."""

from __future__ import annotations

import polars as pl

from recon import audit
from recon.bitcoin import calculations
from recon.config import Fleet
from recon.database import Session, sql
from recon.errors import DatabaseError
from recon.reference import Reference
from recon.schema import CALC_KEY
from recon.tables import Layout, read_values


def judge(
    session: Session,
    layout: Layout,
    reference: Reference,
    fleet: Fleet,
    keys: pl.DataFrame,
    where: dict[str, str],
    tolerance: audit.Tolerance,
    *,
    named: bool = True,
) -> pl.DataFrame:
    """audit.judge for what the tables hold within a scope of whole dates; keys: its ENERGY.

    named: with the rows' `row_id`.
    """
    stored = read_values(session, layout, where, named=named)
    return verdicts(keys, stored, reference, fleet, tolerance)


def verdicts(
    keys: pl.DataFrame,
    stored: pl.DataFrame,
    reference: Reference,
    fleet: Fleet,
    tolerance: audit.Tolerance,
) -> pl.DataFrame:
    """audit.judge with what the reference data make of the keys (ENERGY, of whole dates).

    Only the rows that one join does not settle are looked at more closely.
    """
    terms = reference.terms(keys.get_column("settlement_date").unique().to_list()).lazy()
    miners = reference.miners.lazy()

    def look(rows: pl.DataFrame) -> pl.DataFrame:
        periods = rows.lazy().select("settlement_date", "settlement_period").unique()
        some = keys.lazy().join(periods, on=["settlement_date", "settlement_period"], how="semi")
        whole = calculations(some, miners, terms, Fleet.WHOLE).select(*CALC_KEY, whole_btc="bitcoin_mined")
        wanted = calculations(some, miners, terms, fleet).join(whole, on=CALC_KEY, how="left")
        return audit.judge(wanted, rows.lazy(), miners, tolerance).collect()

    return audit.judge_doubtful(calculations(keys.lazy(), miners, terms, fleet), stored, look, tolerance)


def remove(session: Session, layout: Layout, run_id: str, doomed: pl.DataFrame, where: dict[str, str]) -> None:
    """Moves the rows of audit.doomed to the quarantine. A row that is no longer as it was read stops the chunk."""
    if doomed.is_empty():
        return
    (found,) = session.rows(
        sql("quarantine_remove", **layout.raw_columns, **where),
        doomed.get_column("row_id").to_list(),
        doomed.get_column("verdict").to_list(),
        run_id,
        str(layout.calculations.name),
    )
    if found["removed"] != doomed.height:
        raise DatabaseError(
            f"{doomed.height - found['removed']} rows changed while they were to be replaced",
            "run 'recon resume'",
            code="changed",
            sqlstate="40001",
        )


def note_replacements(session: Session, run_id: str, doomed: pl.DataFrame, rows: pl.DataFrame) -> None:
    """Writes beside the removed rows what was put in their place. rows: the calculations that were written."""
    replaced = rows.join(doomed.select(CALC_KEY).unique(), on=CALC_KEY, how="semi")
    if replaced.is_empty():
        return
    columns = [replaced.get_column(name).to_list() for name in CALC_KEY]
    texts = [replaced.get_column(name).cast(pl.String).to_list() for name in ("bitcoin_mined", "difficulty")]
    session.execute(sql("quarantine_replacements"), run_id, *columns, *texts)
