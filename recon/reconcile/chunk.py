"""One chunk: some whole dates, on one connection, in one transaction."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

import polars as pl

from recon.core import gaps, schema
from recon.core.errors import DatabaseError
from recon.core.plan import DateResult
from recon.core.price import calculations
from recon.core.schema import CALC_KEY, KEY
from recon.postgres import ledger
from recon.postgres.layout import Layout, as_stored
from recon.postgres.profile import stage
from recon.postgres.ranges import check_priced, check_range
from recon.postgres.scope import scope
from recon.postgres.session import Session
from recon.postgres.tables import (
    lock,
    pieces_of,
    read_done,
    read_keys,
    read_keys_and_state,
    read_state,
    read_stored,
    source_state,
)
from recon.reconcile.readback import Side, Sums, discrepancies, stored_sums, together, written, written_sums
from recon.reconcile.request import Job
from recon.values import judging, repairs, verdicts

MAX_CHUNK_ROWS = 120_000
"""Rows that are worked on at once: bounds memory at about 60 MB per worker whatever the batch size; larger chunks are
not quicker. A date that has more is worked on by settlement periods, in its one transaction.
"""


@dataclass(frozen=True)
class Filled:
    """What a chunk came to: one result per date, as the ledger records it, and gaps.COUNTS of its dates as verified."""

    results: list[DateResult]
    counts: pl.DataFrame


def fill(
    session: Session,
    layout: Layout,
    job: Job,
    dates: Sequence[date],
    attempt: int = 1,
    only: pl.DataFrame | None = None,
) -> Filled:
    """Fills every gap of some whole dates: rows, verification and ledger line commit together, or nothing does.

    `only` (KEYs) narrows the work to those keys; their dates then stay pending.
    A DatabaseError (`code` "changed") says that the source or a rival's rows changed meanwhile, or that the server
    holds something else than was computed.
    """
    started = time.monotonic()
    where = scope(dates, None if only is None else only.get_column("settlement_period").unique().to_list())
    with session.transaction():
        lock(session, layout, dates)
        if not job.settings.synchronous_commit:
            session.execute("set local synchronous_commit = off")
        with stage("read"):
            repaired = _repaired(session, layout, job, where)
            before = stored_sums(read_stored(session, layout, where))
            parts = [where] if only is not None else _parts(session, layout, job, dates)
        lots = [_fill_part(session, layout, job, part, only) for part in parts]
        lot = lots[0] if len(lots) == 1 else _together(lots)
        with stage("verify"):
            session.settle_constraints()
            counts = _verified(session, layout, where, job, before, lot)
            if job.mending.changes_rows:
                _check_values(session, layout, job, where)
        share = (time.monotonic() - started) / len(dates)
        results = _results(lot.totals, repaired, dates, attempt, share)
        if only is not None:
            results = [replace(result, status="pending", attempts=0) for result in results]
        with stage("ledger"):
            return Filled(ledger.record(session, job.run_id, results), counts)


@dataclass(frozen=True)
class _Lot:
    """What was read and written of a scope: SOURCE_STATE, its keys as the survey counts them (one row per settlement
    date: keys, checksum), verification.written and gaps.COUNTS.
    """

    state: pl.DataFrame
    source: pl.DataFrame
    totals: pl.DataFrame
    counts: pl.DataFrame


def _parts(session: Session, layout: Layout, job: Job, dates: Sequence[date]) -> list[dict[str, str]]:
    """The scopes to fill one after the other: the chunk itself, or groups of settlement periods of one larger date."""
    if len(dates) == 1:
        return pieces_of(session, layout, dates[0], len(job.reference.models), MAX_CHUNK_ROWS)
    return [scope(dates)]


def _fill_part(
    session: Session,
    layout: Layout,
    job: Job,
    where: dict[str, str],
    only: pl.DataFrame | None,
) -> _Lot:
    """Reads a scope and writes what it lacks."""
    with stage("read"):
        keys, state = read_keys_and_state(session, layout, where)
        done = read_done(session, layout, where)
    with stage("price"):
        rows = _missing_rows(keys, done, job)
    if only is not None:
        rows = rows.join(only, on=KEY, how="semi")
    if "missing" not in job.mending.repairs:
        rows = rows.clear()
    if not rows.is_empty():
        check_range(rows, layout)
        with stage("copy"):
            session.copy(layout.calculations.name, as_stored(rows, layout, job.reference.difficulty_decimals))
    with stage("price"):
        whole = only is None and "missing" in job.mending.repairs
        counts = gaps.after(keys, list(job.reference.models), done, rows, all_gaps=whole)
        checksum = pl.col("key_hash").cast(pl.Int128).sum().cast(pl.String)
        source = keys.group_by("settlement_date").agg(keys=pl.len().cast(pl.Int64), checksum=checksum)
        return _Lot(state, source, written(rows), counts)


def _together(lots: Sequence[_Lot]) -> _Lot:
    """The same of several scopes of one date."""
    states = pl.concat(lot.state for lot in lots).group_by("settlement_date")
    volumes, checksum = (pl.col(name).cast(pl.Int128).sum().cast(pl.String) for name in ("volumes", "checksum"))
    state = states.agg(pl.col("source_rows").sum(), volumes)
    source = pl.concat(lot.source for lot in lots).group_by("settlement_date").agg(pl.col("keys").sum(), checksum)
    counts = gaps.together([lot.counts for lot in lots])
    return _Lot(source_state(state), source, together(lot.totals for lot in lots), counts)


def _repaired(session: Session, layout: Layout, job: Job, where: dict[str, str]) -> pl.DataFrame:
    """The stored rows that the job's repairs changed (repair.DONE); none unless it was asked for."""
    if not job.mending.changes_rows:
        return pl.DataFrame(schema=repairs.DONE)
    keys, judged = _judged(session, layout, job, where)
    return repairs.apply(session, layout, job, judged, keys)


def _judged(session: Session, layout: Layout, job: Job, where: dict[str, str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The keys of whole dates (ENERGY), and the verdict on each of their stored rows."""
    keys = read_keys(session, layout, where)
    fleet, tolerance = job.settings.fleet, job.mending.tolerance
    return keys, judging.judge(session, layout, job.reference, fleet, keys, where, tolerance)


def _check_values(session: Session, layout: Layout, job: Job, where: dict[str, str]) -> None:
    """The whole dates read back row by row: of what the repairs are for, nothing is left.

    With all of them that is: exactly the pairs that should be there, each once, each with the right value.
    """
    keys, after = _judged(session, layout, job, where)
    left = verdicts.doomed(after.lazy(), job.mending.repairs).collect()
    if "missing" in job.mending.repairs and left.is_empty():
        left = _missing_rows(keys, after.select(CALC_KEY), job).with_columns(verdict=pl.lit("missing"))
    for row in left.sort(CALC_KEY).head(1).to_dicts():
        key = f"{row['settlement_date']} {row['settlement_period']} {row['farm_id']} {row['miner_model']}"
        raise _changed(f"{key} is still {row['verdict']}")


def _missing_rows(keys: pl.DataFrame, done: pl.DataFrame, job: Job) -> pl.DataFrame:
    """The calculations to write, sorted as the unique index is; dates without difficulty are not in a chunk.

    Keys are sorted before each is joined with every model, which keeps their order: a third of the rows to sort.
    """
    terms = job.reference.terms(keys.get_column("settlement_date").unique().to_list())
    miners = job.reference.miners.lazy().sort("miner_model")
    wanted = calculations(keys.lazy().sort(KEY), miners, terms.lazy(), job.settings.fleet)
    rows = gaps.missing(wanted, done.lazy()).collect()
    check_priced(rows)
    return rows


def _verified(
    session: Session, layout: Layout, where: dict[str, str], job: Job, before: dict[Side, Sums], lot: _Lot
) -> pl.DataFrame:
    """Asks the server what it holds now: gaps.COUNTS of the scope; raises when that is not what it held `before` and
    what was written, or when the source is no longer in the state it was priced in.
    """
    stored = read_stored(session, layout, where)
    column = layout.stored_columns["difficulty"]
    new = written_sums(lot.totals, is_float=column.is_float, decimals=column.decimals)
    for line in discrepancies(before, new, stored_sums(stored)):
        raise _changed(line)
    if not lot.state.equals(read_state(session, layout, where)):
        raise _changed("the curtailment changed while it was read")
    settled, disputed = gaps.judge(lot.source, stored, list(job.reference.models))
    return pl.concat([settled, lot.counts.filter(pl.col("settlement_date").is_in(disputed))])


def _changed(message: str) -> DatabaseError:
    return DatabaseError(message, "run 'recon resume'", code="changed", sqlstate="40001")


def _results(
    totals: pl.DataFrame, repaired: pl.DataFrame, dates: Sequence[date], attempt: int, seconds: float
) -> list[DateResult]:
    sums: dict[date, list[tuple[str, int, str]]] = {day: [] for day in dates}
    added = pl.concat([totals.select(*schema.SIDE, "new", "btc"), repairs.replaced(repaired)])
    summed = added.group_by(schema.SIDE).agg(pl.col("new", "btc").sum())
    for day, model, new, bitcoin in summed.sort(schema.SIDE).iter_rows():
        sums[day].append((model, new, str(bitcoin)))
    replaced = _per_date(repaired.filter(pl.col("action") == "replace"))
    removed = _per_date(repaired.filter(pl.col("action") == "remove"))
    return [
        DateResult(
            day,
            status="done" if models or day in removed else "skipped",
            missing=sum(new for _, new, _ in models),
            inserted=sum(new for _, new, _ in models),
            replaced=replaced.get(day, 0),
            removed=removed.get(day, 0),
            attempts=attempt,
            seconds=seconds,
            btc=tuple((model, bitcoin) for model, _, bitcoin in models),
        )
        for day, models in sums.items()
    ]


def _per_date(rows: pl.DataFrame) -> dict[date, int]:
    return dict(rows.group_by("settlement_date").len().iter_rows())
