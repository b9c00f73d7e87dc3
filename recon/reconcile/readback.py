"""What the table holds before and after a chunk is written: it may differ by exactly what was written.

A row is told by the 64-bit hash of its key, under a seed that nobody knows beforehand. The rows written are counted
apart from the others: their BTC is summed exactly, weighted by those hashes, and their difficulties may not differ from
the date's. The others have to be what they were. Most are told by their version: as many rows as before of which the
server says that no transaction wrote them since are the same rows, unchanged. The few that are not that old, and all
rows where a table keeps no versions, are told by the hashes of their values. So a row that a trigger rewrote, moved or
swallowed, a key in place of another and two values exchanged are all seen. What a chunk must leave alone (duplicates
and orphans that nobody asked to remove, rows of other models) is among the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

import polars as pl

from recon.core import gaps
from recon.core.errors import DatabaseError
from recon.core.schema import BTC, CALC_KEY_SCHEMA, DONE_HASHES, SIDE
from recon.postgres.layout import WEIGHTS, Column
from recon.postgres.scope import Scope
from recon.postgres.tables import Tables, source_state
from recon.reconcile.cell_survey import CellSurvey

NOTHING = pl.DataFrame(
    schema={**CALC_KEY_SCHEMA, "key_hash": pl.Int64, "bitcoin_mined": BTC, "difficulty": pl.Decimal(38, 8)}
)
"""No rows to write."""
HOLDS = {
    "checksum": "the table holds rows of other keys than were written",
    "satoshi": "the table holds other BTC than were written",
    "difficulty": "the table holds other difficulties than were written",
}
"""What is said of new rows of which that is off."""


@dataclass(frozen=True)
class Written:
    """What was read and written of a scope. state: SOURCE_STATE as of each moment at which it was read.

    rows: DONE_HASHES of the rows written. totals: what `totals` says of them. counts: schema.COUNTS of the scope.
    """

    state: pl.DataFrame
    rows: pl.DataFrame
    totals: pl.DataFrame
    counts: pl.DataFrame

    @classmethod
    def of(cls, state: pl.DataFrame, lots: Sequence[pl.DataFrame], counts: pl.DataFrame) -> Written:
        """lots: the rows written, as they were priced."""
        rows = pl.concat([told(NOTHING), *map(told, lots)])
        return cls(state, rows, sum_totals([totals(lot) for lot in lots]), counts)

    @classmethod
    def together(cls, parts: Sequence[Written]) -> Written:
        """The same of different dates."""
        return cls(*(pl.concat(frames) for frames in zip(*(vars(part).values() for part in parts), strict=True)))


def told(rows: pl.DataFrame) -> pl.DataFrame:
    """DONE_HASHES of priced rows."""
    return rows.select(DONE_HASHES.keys())


def totals(rows: pl.DataFrame) -> pl.DataFrame:
    """One row per settlement date and miner model of the rows to write: how many (`rows`), their exact BTC, and what
    STORED_SUMS will say of them.

    rows: priced calculations with the `key_hash` of their keys; a date has one difficulty.
    """
    weight = (pl.col("key_hash") & WEIGHTS).cast(pl.Int128)
    return rows.group_by(SIDE).agg(
        rows=pl.len().cast(pl.Int64),
        btc=pl.col("bitcoin_mined").sum(),
        checksum=pl.col("key_hash").cast(pl.Int128).sum(),
        satoshi=(pl.col("bitcoin_mined").to_physical() * weight).sum(),
        difficulty=pl.col("difficulty").first(),
    )


def sum_totals(parts: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """The `totals` of several lots of rows."""
    summed = pl.col("rows", "btc", "checksum", "satoshi").sum()
    return pl.concat([totals(NOTHING), *parts]).group_by(SIDE).agg(summed, pl.col("difficulty").first())


def check(tables: Tables, scope: Scope, models: Sequence[str], before: CellSurvey, written: Written) -> pl.DataFrame:
    """Asks the server what it holds now: schema.COUNTS of the scope.

    DatabaseError (`changed`) when that is not what it held `before` and what was written, or when the source is no
    longer in the state it was priced in. tables: tell rows since when `before` does.
    """
    fresh = before.fresh(scope.dates)
    begun = ~pl.col("settlement_date").is_in(fresh)
    ours = written.rows.filter(begun)
    held = tables.held(scope, ours, fresh)
    for line in discrepancies(before.stored, written.totals, held, tables.layout.stored_columns["difficulty"]):
        raise changed(line)
    same_source(before.source.filter(begun), written.state.filter(begun))
    same_source(written.state, tables.state(scope))
    sums = [rows.select(*SIDE, "rows", pl.col("checksum").cast(pl.Int128)) for rows in (before.stored, new(held))]
    sides = pl.concat(sums).group_by(SIDE).agg(pl.col("rows", "checksum").sum())
    surveyed = gaps.Survey.by_date(
        before.source.filter(begun), sides.filter(begun).cast({"checksum": pl.String}), models
    )
    disputed = surveyed.disputed
    compared = disputed.vstack(pl.DataFrame({"settlement_date": fresh}, schema=disputed.schema))
    counts = written.counts.join(compared, on="settlement_date", how="semi")
    _same_rows(counts, sides.join(compared, on="settlement_date", how="semi"))
    return pl.concat([surveyed.counts(disputed), counts])


def same_source(one: pl.DataFrame, other: pl.DataFrame) -> None:
    """DatabaseError (`changed`) unless the curtailment is in the same state (SOURCE_STATE) at both moments."""
    if not source_state(one).equals(source_state(other)):
        raise changed("the curtailment changed while it was read")


def _same_rows(counts: pl.DataFrame, sides: pl.DataFrame) -> None:
    """What was counted key by key are as many rows as the table holds: else it was counted at another moment.

    counts: schema.COUNTS. sides: one row per settlement date and miner model that has `rows`.
    """
    counted = counts.select(*SIDE, counted=pl.col("matched") + pl.col("duplicate") + pl.col("orphan"))
    both = counted.join(sides, on=SIDE, how="full", coalesce=True, nulls_equal=True)
    if not both.filter(pl.col("counted").fill_null(0) != pl.col("rows").fill_null(0)).is_empty():
        raise changed("the table's rows changed while they were read")


def new(held: pl.DataFrame) -> pl.DataFrame:
    """Of STORED_SUMS those of the rows that count as new."""
    return held.filter(pl.col("is_new").fill_null(False))


def changed(message: str) -> DatabaseError:
    """That somebody else changed something, or the table did: the chunk is tried again."""
    return DatabaseError(message, "run 'recon resume'", code="changed", sqlstate="40001")


def round_half_up(number: Decimal, decimals: int) -> Decimal:
    """As the server rounds into a column of so many decimals: half away from zero.

    >>> round_half_up(Decimal("86388558925171.025"), 2)
    Decimal('86388558925171.03')
    """
    return number.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)


def discrepancies(before: pl.DataFrame, due: pl.DataFrame, held: pl.DataFrame, column: Column) -> list[str]:
    """What does not add up: one line per settlement date, and one per date and miner model; empty when all is exact.

    before: as Tables.stored_cells. due: `totals`. held: as Tables.held. column: the table's difficulty.
    """
    had = before.group_by("settlement_date").agg(pl.col("rows").sum(), pl.col("contents").cast(pl.Int128).sum())
    others = _others(held).join(
        had, on="settlement_date", how="full", coalesce=True, suffix="_before", nulls_equal=True
    )
    others = others.with_columns(pl.all().exclude("settlement_date").fill_null(0))
    lines = []
    for day, rows, contents, rows_before, contents_before in others.sort("settlement_date").iter_rows():
        if rows != rows_before:
            lines.append(f"{day}: beside what was written the table holds {rows:,} rows, not {rows_before:,}")
        elif contents != contents_before:
            lines.append(f"{day}: of {rows:,} rows that were there some have changed")
    sides = compared(due, held, column).drop_nulls("off").sort(SIDE)
    for day, model, rows, found, off in sides.select(*SIDE, "rows", "rows_held", "off").fill_null(0).iter_rows():
        what = f"the table holds {found:,} of {rows:,} new rows" if off == "rows" else HOLDS[off]
        lines.append(f"{day} {model}: {what}")
    return lines


def _others(held: pl.DataFrame) -> pl.DataFrame:
    """One row per settlement date but the fresh: how many `rows` are not new, and their `contents` as
    Tables.stored_cells has them.
    """
    kinds = held.group_by("settlement_date").agg(
        every=pl.col("rows").filter(pl.col("is_new").is_null()).first(),
        told_by_values=pl.col("rows").filter(~pl.col("is_new")).sum(),
        written=pl.col("rows").filter("is_new").sum(),
        contents=pl.col("contents").filter(~pl.col("is_new")).sum(),
    )
    rows = pl.col("every") - pl.col("written")
    by_version = (rows - pl.col("told_by_values")).cast(pl.Int128)
    begun = kinds.filter(pl.col("every").is_not_null())
    return begun.select("settlement_date", rows=rows, contents=by_version + pl.col("contents"))


def compared(due: pl.DataFrame, stored: pl.DataFrame, column: Column) -> pl.DataFrame:
    """What is due (`totals`) beside the new rows of `stored` (STORED_SUMS), and what is `off`, null where nothing is.

    column: as it holds difficulties they count.
    """
    sides = _beside(due, new(stored))
    texts = sides.select("difficulty", "lowest", "highest").unique()
    same = [_is_held(column, *row) for row in texts.iter_rows()]
    judged = texts.with_columns(is_right=pl.Series(same, dtype=pl.Boolean))
    sides = sides.join(judged, on=["difficulty", "lowest", "highest"], how="left", nulls_equal=True)
    wrong = pl.when(~pl.col("is_right")).then(pl.lit("difficulty"))
    return sides.with_columns(off=pl.coalesce(_first_off("rows", "checksum", "satoshi"), wrong))


def _beside(due: pl.DataFrame, held: pl.DataFrame) -> pl.DataFrame:
    """Both side by side; what the server holds has `_held` behind its names."""
    held = held.drop("is_new").rename({name: f"{name}_held" for name in ("rows", "checksum", "contents", "satoshi")})
    return due.join(held, on=SIDE, how="full", coalesce=True, nulls_equal=True)


def _first_off(*names: str) -> pl.Expr:
    """The first of these columns that is not what is held, null where all are."""
    return pl.coalesce(pl.when(pl.col(name).ne_missing(pl.col(f"{name}_held"))).then(pl.lit(name)) for name in names)


def _is_held(column: Column, difficulty: Decimal | None, lowest: str | None, highest: str | None) -> bool:
    """Whether the column holds this difficulty in every row: as binary floating point, or rounded to its decimals."""
    if difficulty is None or lowest is None or highest is None:
        return False
    held = difficulty if column.decimals is None else round_half_up(difficulty, column.decimals)
    due = Decimal(repr(float(difficulty))) if column.is_float else held
    return Decimal(lowest) == due == Decimal(highest)
