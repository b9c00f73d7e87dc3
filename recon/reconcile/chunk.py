"""One chunk: some whole dates, on one connection, in one transaction."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date

import polars as pl

from recon.core import gaps
from recon.core.chunks import CHUNK_ROWS, STORED_PER_ROW
from recon.core.plan import DateResult
from recon.core.price import priced, wanted
from recon.core.schema import CALC_KEY, CELL, COUNTS, DONE_HASHES, HASHED_KEY, KEY, SIDE
from recon.postgres import ledger
from recon.postgres.profile import stage
from recon.postgres.ranges import check_priced, check_range
from recon.postgres.scope import Cells, Scope
from recon.postgres.tables import Tables, source_state
from recon.reconcile import readback
from recon.reconcile.cell_survey import CellSurvey
from recon.reconcile.readback import NOTHING, Written
from recon.reconcile.request import FixRequest, Job
from recon.values import repairs
from recon.values.repairs import to_change

PIECE_ROWS = 2 * CHUNK_ROWS
"""Calculations that are read, priced and written at once, where dates are filled cell by cell. Most chunks are one such
piece: each has the server go through the dates' curtailment."""
NOTHING_VERIFIED = pl.DataFrame(schema=COUNTS)
"""Of no date."""


@dataclass(frozen=True)
class Filled:
    """Result of one chunk: one result per date, as the ledger records it, and schema.COUNTS of its dates, verified."""

    results: list[DateResult]
    counts: pl.DataFrame


def fill(
    tables: Tables,
    job: Job,
    request: FixRequest,
    dates: Sequence[date],
    attempt: int = 1,
    before: CellSurvey | None = None,
) -> Filled:
    """Fill every gap of some whole dates: rows, verification and ledger line commit together, or nothing does.

    before: what was there; without it, it is looked for. A DatabaseError (`code` "changed") says that the source or a
    rival's rows changed since, or that the server holds something else than was computed.
    """
    started, scope = time.monotonic(), Scope.of(dates)
    with _transaction(tables, job, dates):
        with stage("read"):
            repaired = _repaired(tables, job, request, scope)
            tables, before = _before(tables, job, scope, _cells(job, dates), attempt, before)
        written = Written.together(list(_written(tables, job, dates, before, fills=request.policy.fills)))
        counts = _verified(tables, job, scope, before, written)
        if request.policy.changes_rows:
            with stage("verify"):
                _check_values(tables, job, request, scope)
        results = _results(written.totals, repaired, dates, attempt, (time.monotonic() - started) / len(dates))
        return _recorded(tables, job, results, counts)


def fill_keys(tables: Tables, job: Job, keys: pl.DataFrame, attempt: int = 1) -> Filled:
    """Fill some keys (KEY) of one date, as `fill` does; the date stays pending."""
    started, day = time.monotonic(), keys.item(0, "settlement_date")
    scope = Scope.of([day], keys.get_column("settlement_period").unique().to_list())
    with _transaction(tables, job, [day]):
        with stage("read"):
            tables, before = _before(tables, job, scope, Cells(), attempt)
            (read, state), done = tables.keys_and_state(scope), tables.done_hashes(scope)
        rows = _append(tables, job, read, _missing(read.join(keys, on=KEY, how="semi"), done, job))
        written = Written.of(state, [rows], gaps.after(read, job.models, done, rows, all_gaps=False))
        counts = _verified(tables, job, scope, before, written)
        nothing = pl.DataFrame(schema=repairs.DONE)
        results = _results(written.totals, nothing, [day], attempt, time.monotonic() - started)
        pending = [replace(result, status="pending", attempts=0) for result in results]
        return _recorded(tables, job, pending, counts)


def _cells(job: Job, dates: Sequence[date]) -> Cells:
    keys = CHUNK_ROWS * STORED_PER_ROW // len(job.models)
    return Cells.of(len(dates), keys, whole_periods=job.settings.fleet.needs_whole_periods)


def _before(
    tables: Tables, job: Job, scope: Scope, cells: Cells, attempt: int, known: CellSurvey | None = None
) -> tuple[Tables, CellSurvey]:
    """What a scope holds before anything is written, and the tables that tell rows as it does.

    At the first attempt most rows are told by their versions. Should that not add up, whatever the reason, the next one
    tells all by their values.
    """
    if known:
        return replace(tables, since=known.since), known
    if attempt == 1:
        tables = tables.as_of_now()
    return tables, CellSurvey.of(tables, scope, cells, job.models)


def _verified(tables: Tables, job: Job, scope: Scope, before: CellSurvey, written: Written) -> pl.DataFrame:
    """COUNTS of the scope, once the server has said that it holds what it should: see `readback.check`."""
    with stage("verify"):
        tables.session.settle_constraints()
        return readback.check(tables, scope, job.models, before, written)


def _written(tables: Tables, job: Job, dates: Sequence[date], before: CellSurvey, *, fills: bool) -> Iterator[Written]:
    """What is written of some dates. Of those that hold nothing all keys are read at once."""
    empty = before.fresh(dates) if len(dates) > 1 else []  # a single date may be too large for one read
    others = [day for day in dates if day not in empty]
    if empty:
        with stage("read"):
            keys, state = tables.keys_and_state(Scope.of(empty))
        rows = _append(tables, job, keys, None if fills else NOTHING)
        counts = gaps.filled(rows).with_columns(expected=pl.col("matched"))  # every key of them with every model
        if not fills:
            counts = gaps.after(keys, job.models, pl.DataFrame(schema=DONE_HASHES), rows, all_gaps=False)
        yield Written.of(state, [rows], counts)
    if others:
        yield _fill_cells(tables, job, others, before.within(others), fills=fills)


def _fill_cells(tables: Tables, job: Job, dates: Sequence[date], before: CellSurvey, *, fills: bool) -> Written:
    """Writes what some dates lack. Only what the survey left open is read of them."""
    surveyed, lots, counts = before.lacking, [], [before.counts]
    whole_periods, state = job.settings.fleet.needs_whole_periods, source_state(before.source)
    for piece in surveyed.pieces(surveyed.unfilled, PIECE_ROWS, None if whole_periods else before.doubtful):
        compared = piece.join(before.doubtful, on=CELL, how="semi")
        told = piece.join(compared, on=CELL, how="anti")
        lone, bare = (rows.join(told, on=CELL, how="semi") for rows in (before.lone, surveyed.bare))
        whole = piece if whole_periods else pl.concat([compared, bare.select(CELL)])
        with stage("read"):
            keys, state_then = tables.keys_of(whole, lone, before.cells, dates)
            done = tables.done_in(compared, before.cells)
        readback.same_source(state, state_then)
        some = keys.join(compared, on=CELL, how="semi")
        parts = [_missing(some, done, job), keys.join(bare, on=CELL), lone]
        lacking = pl.concat([part.select(DONE_HASHES.keys()) for part in parts])
        if not fills:
            lacking = lacking.clear()
        lots.append(_append(tables, job, keys, lacking))
        with stage("price"):
            added, elsewhere = (lacking.join(some, on=HASHED_KEY, how=how) for how in ("semi", "anti"))
            counts += [gaps.after(some, job.models, done, added, all_gaps=fills), gaps.filled(elsewhere)]
    return Written.of(state, lots, gaps.together(counts))


def _missing(keys: pl.DataFrame, done: pl.DataFrame, job: Job) -> pl.DataFrame:
    """DONE_HASHES of what is missing: each of the keys (HASHED_KEY) with every model, but for what is done."""
    pairs = gaps.expected(keys.lazy().select(HASHED_KEY), gaps.named(job.models))
    return gaps.missing(pairs, done.lazy(), HASHED_KEY).collect()


def _append(tables: Tables, job: Job, keys: pl.DataFrame, lacking: pl.DataFrame | None) -> pl.DataFrame:
    """Writes what is `lacking` (DONE_HASHES; None: everything) of some keys. The rows written."""
    with stage("price"):
        rows = _priced(keys, lacking, job)
    if lacking is not None and rows.height != lacking.height:
        raise readback.changed("the curtailment changed while it was read")
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


def _repaired(tables: Tables, job: Job, request: FixRequest, scope: Scope) -> pl.DataFrame:
    """The stored rows that the repairs changed (repairs.DONE); none unless it was asked for."""
    if not request.policy.changes_rows:
        return pl.DataFrame(schema=repairs.DONE)
    judge, keys = job.judge(request.policy.tolerance), tables.keys(scope)
    return repairs.apply(tables, job.run_id, judge, request.policy.repairs, keys, judge.stored(tables, keys, scope))


def _check_values(tables: Tables, job: Job, request: FixRequest, scope: Scope) -> None:
    """The whole dates read back row by row: of what the repairs are for, nothing is left.

    With all of them that is: exactly the pairs that should be there, each once, each with the right value.
    """
    keys = tables.keys(scope)
    after = job.judge(request.policy.tolerance).stored(tables, keys, scope)
    left = to_change(after.lazy(), request.policy.repairs).collect()
    if request.policy.fills and left.is_empty():
        pairs = gaps.expected(keys.lazy().select(KEY), gaps.named(job.models))
        left = gaps.missing(pairs, after.lazy()).with_columns(verdict=pl.lit("missing")).collect()
    for row in left.sort(CALC_KEY).head(1).to_dicts():
        key = f"{row['settlement_date']} {row['settlement_period']} {row['farm_id']} {row['miner_model']}"
        raise readback.changed(f"{key} is still {row['verdict']}")


def _priced(keys: pl.DataFrame, lacking: pl.DataFrame | None, job: Job) -> pl.DataFrame:
    """The calculations to write, sorted as the unique index is; dates without difficulty are not in a chunk.

    Keys are sorted before each is joined with every model, which keeps their order: a third of the rows to sort. Only
    what is lacking is priced, but for whole machines, which are floored per period.
    """
    rates = job.reference.terms(keys.get_column("settlement_date").unique().to_list())
    rows = wanted(keys.lazy().sort(KEY), job.reference.miners.lazy().sort("miner_model"), rates.lazy())
    fleet = job.settings.fleet
    if fleet.needs_whole_periods:
        rows = priced(rows, fleet)
    if lacking is not None:
        rows = rows.join(lacking.lazy(), on=[*HASHED_KEY, "miner_model"], how="semi", maintain_order="left")
    if not fleet.needs_whole_periods:
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
