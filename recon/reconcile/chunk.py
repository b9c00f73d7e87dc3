"""One chunk: some whole dates, on one connection, in one transaction."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date

import polars as pl

from recon.core import gaps
from recon.core.chunks import CHUNK_ROWS
from recon.core.gaps import Survey
from recon.core.plan import DateResult
from recon.core.price import priced, wanted
from recon.core.schema import CALC_KEY, CELL, DONE_HASHES, HASHED_KEY, KEY, SIDE
from recon.core.settings import Fleet
from recon.postgres import ledger
from recon.postgres.profile import stage
from recon.postgres.ranges import check_priced, check_range
from recon.postgres.scope import Cells, Scope
from recon.postgres.tables import Tables
from recon.reconcile import readback
from recon.reconcile.readback import Written
from recon.reconcile.request import Job
from recon.values import repairs
from recon.values.policy import RepairPolicy
from recon.values.repairs import to_change


@dataclass(frozen=True)
class Filled:
    """Result of one chunk: one result per date, as the ledger records it, and schema.COUNTS of its dates, verified."""

    results: list[DateResult]
    counts: pl.DataFrame


def fill(tables: Tables, job: Job, policy: RepairPolicy, dates: Sequence[date], attempt: int = 1) -> Filled:
    """Fill every gap of some whole dates: rows, verification and ledger line commit together, or nothing does.

    A DatabaseError (`code` "changed") says that the source or a rival's rows changed meanwhile, or that the server
    holds something else than was computed.
    """
    started, scope = time.monotonic(), Scope.of(dates)
    with _transaction(tables, job, dates):
        with stage("read"):
            repaired = _repaired(tables, job, policy, scope)
            cells = _cells(job, dates)
            before = tables.stored_cells(scope, cells)
        written = Written.together(list(_written(tables, job, dates, before, cells, fills=policy.fills)))
        with stage("verify"):
            tables.session.settle_constraints()
            counts = readback.check(tables, scope, job.models, before, written)
            if policy.changes_rows:
                _check_values(tables, job, policy, scope)
        results = _results(written.totals, repaired, dates, attempt, (time.monotonic() - started) / len(dates))
        return _recorded(tables, job, results, counts)


def fill_keys(tables: Tables, job: Job, keys: pl.DataFrame, attempt: int = 1) -> Filled:
    """Fill some keys (KEY) of one date, as `fill` does; the date stays pending."""
    started, day = time.monotonic(), keys.item(0, "settlement_date")
    scope = Scope.of([day], keys.get_column("settlement_period").unique().to_list())
    with _transaction(tables, job, [day]):
        with stage("read"):
            before = tables.stored_cells(scope, Cells())
            read, state = tables.keys_and_state(scope)
            done = tables.done_hashes(scope)
        rows = _append(tables, job, read, done, fills=True, only=keys)
        counts = gaps.after(read, job.models, done, rows, all_gaps=False)
        written = Written.of(state, read, rows, counts)
        with stage("verify"):
            tables.session.settle_constraints()
            counts = readback.check(tables, scope, job.models, before, written)
        nothing = pl.DataFrame(schema=repairs.DONE)
        results = _results(written.totals, nothing, [day], attempt, time.monotonic() - started)
        pending = [replace(result, status="pending", attempts=0) for result in results]
        return _recorded(tables, job, pending, counts)


def _cells(job: Job, dates: Sequence[date]) -> Cells:
    """The cells of a chunk. Whole machines are floored over all keys of a settlement period: these are not cut."""
    whole_periods = job.settings.fleet is Fleet.WHOLE
    return Cells() if whole_periods else Cells.of(len(dates), CHUNK_ROWS // len(job.models))


def _written(
    tables: Tables, job: Job, dates: Sequence[date], stored: pl.DataFrame, cells: Cells, *, fills: bool
) -> Iterator[Written]:
    """What is written of some dates: those that hold nothing are read whole, of others the cells that may lack rows.
    stored: the calculations by cell.
    """
    begun = set(stored.get_column("settlement_date"))
    empty = [day for day in dates if day not in begun and len(dates) > 1]  # a single date may be too large for one read
    others = [day for day in dates if day not in empty]
    if empty:
        with stage("read"):
            keys, state = tables.keys_and_state(Scope.of(empty))
        nothing = pl.DataFrame(schema=DONE_HASHES)
        rows = _append(tables, job, keys, nothing, fills=fills)
        counts = gaps.after(keys, job.models, nothing, rows, all_gaps=fills)
        yield Written.of(state, keys, rows, counts)
    if others:
        yield _fill_cells(tables, job, others, stored, cells, fills=fills)


def _fill_cells(
    tables: Tables, job: Job, dates: Sequence[date], stored: pl.DataFrame, cells: Cells, *, fills: bool
) -> Written:
    """Reads the cells of some dates that may lack rows, and writes what they lack."""
    with stage("read"):
        source = tables.source_cells(Scope.of(dates), cells)
        of_dates = stored.filter(pl.col("settlement_date").is_in(dates))
    surveyed = Survey.by_cell(source, of_dates, job.models)
    lone, unfilled = surveyed.lone, surveyed.unfilled
    if job.settings.fleet is Fleet.WHOLE or not fills:  # whole machines are floored over all keys of a period
        lone = lone.clear()
    lots, counts, compared = [], [], [unfilled.clear()]
    for piece in surveyed.pieces(unfilled, CHUNK_ROWS):
        rows, others, after = _fill_piece(tables, job, piece, lone, cells, fills=fills)
        lots.append(rows)
        counts.append(after)
        compared.append(others)
    return Written.of_cells(source, lots, gaps.together([surveyed.counts(pl.concat(compared)), *counts]))


def _fill_piece(
    tables: Tables, job: Job, piece: pl.DataFrame, lone: pl.DataFrame, cells: Cells, *, fills: bool
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Writes what some cells (`piece`) lack.

    lone: Survey.lone; of its cells only the keys that are missing are read, of others all. The rows written, the cells
    that were compared, and the COUNTS of these, with what was added to the others.
    """
    lone = lone.join(piece, on=CELL, how="semi")
    others = piece.join(lone, on=CELL, how="anti", nulls_equal=True)
    with stage("read"):
        keys = tables.keys_of(others, lone, cells)
        unknown = lone.join(keys, on=HASHED_KEY, how="anti")
        if not unknown.is_empty():  # these lack more than one row
            return _fill_piece(tables, job, piece, lone.join(unknown, on=CELL, how="anti"), cells, fills=fills)
        done = tables.done_hashes(tables.scope_of(others, cells))
    compared = keys.join(others, on=CELL, how="semi")
    pairs = gaps.expected(lone.lazy().select(HASHED_KEY).unique(), gaps.named(job.models))
    there = gaps.missing(pairs, lone.lazy(), HASHED_KEY).collect()
    rows = _append(tables, job, keys, pl.concat([done, there]), fills=fills)
    with stage("price"):
        added = rows.join(others, on=CELL, how="semi")
        after = gaps.after(compared, job.models, done, added, all_gaps=fills)
        return rows, others, pl.concat([after, gaps.filled(rows.join(others, on=CELL, how="anti"))])


def _append(
    tables: Tables, job: Job, keys: pl.DataFrame, done: pl.DataFrame, *, fills: bool, only: pl.DataFrame | None = None
) -> pl.DataFrame:
    """Writes what some keys lack: all of it, or `only` some; nothing unless it `fills`. The rows written."""
    with stage("price"):
        rows = _missing_rows(keys, done, job)
    if only is not None:
        rows = rows.join(only, on=only.columns, how="semi")
    if not fills:
        rows = rows.clear()
    if not rows.is_empty():
        check_range(rows, tables.layout)
        with stage("copy"):
            tables.append(rows, job.reference.difficulty_decimals)
    return rows


@contextmanager
def _transaction(tables: Tables, job: Job, dates: Sequence[date]) -> Iterator[None]:
    """A transaction in which no other run works on these dates."""
    with tables.session.transaction():
        tables.lock(dates)
        if not job.settings.synchronous_commit:
            tables.session.execute("set local synchronous_commit = off")
        yield


def _recorded(tables: Tables, job: Job, results: list[DateResult], counts: pl.DataFrame) -> Filled:
    with stage("ledger"):
        return Filled(ledger.record(tables.session, job.run_id, results), counts)


def _repaired(tables: Tables, job: Job, policy: RepairPolicy, scope: Scope) -> pl.DataFrame:
    """The stored rows that the repairs changed (repairs.DONE); none unless it was asked for."""
    if not policy.changes_rows:
        return pl.DataFrame(schema=repairs.DONE)
    judge, keys = job.judge(policy.tolerance), tables.keys(scope)
    return repairs.apply(tables, job.run_id, judge, policy.repairs, keys, judge.stored(tables, keys, scope))


def _check_values(tables: Tables, job: Job, policy: RepairPolicy, scope: Scope) -> None:
    """The whole dates read back row by row: of what the repairs are for, nothing is left.

    With all of them that is: exactly the pairs that should be there, each once, each with the right value.
    """
    keys = tables.keys(scope)
    after = job.judge(policy.tolerance).stored(tables, keys, scope)
    left = to_change(after.lazy(), policy.repairs).collect()
    if policy.fills and left.is_empty():
        pairs = gaps.expected(keys.lazy().select(KEY), gaps.named(job.models))
        left = gaps.missing(pairs, after.lazy()).with_columns(verdict=pl.lit("missing")).collect()
    for row in left.sort(CALC_KEY).head(1).to_dicts():
        key = f"{row['settlement_date']} {row['settlement_period']} {row['farm_id']} {row['miner_model']}"
        raise readback.changed(f"{key} is still {row['verdict']}")


def _missing_rows(keys: pl.DataFrame, done: pl.DataFrame, job: Job) -> pl.DataFrame:
    """The calculations to write, sorted as the unique index is; dates without difficulty are not in a chunk.

    Both tell keys by HASHED_KEY. Keys are sorted before each is joined with every model, which keeps their order: a
    third of the rows to sort. What is there is not priced, but for whole machines, which are floored per period.
    """
    rates = job.reference.terms(keys.get_column("settlement_date").unique().to_list())
    rows = wanted(keys.lazy().sort(KEY), job.reference.miners.lazy().sort("miner_model"), rates.lazy())
    fleet = job.settings.fleet
    if fleet is Fleet.WHOLE:
        rows = priced(rows, fleet)
    if not done.is_empty():
        rows = gaps.missing(rows, done.lazy(), HASHED_KEY)
    if fleet is Fleet.FRACTIONAL:
        rows = priced(rows)
    calculated = rows.collect()
    check_priced(calculated)
    return calculated


def _results(
    totals: pl.DataFrame, repaired: pl.DataFrame, dates: Sequence[date], attempt: int, seconds: float
) -> list[DateResult]:
    sums: dict[date, list[tuple[str, int, str]]] = {day: [] for day in dates}
    added = pl.concat([totals.select(*SIDE, "rows", "btc"), repairs.replaced(repaired)])
    summed = added.group_by(SIDE).agg(pl.col("rows", "btc").sum())
    for day, model, new, bitcoin in summed.sort(SIDE).iter_rows():
        sums[day].append((model, new, f"{bitcoin:.8f}"))
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
