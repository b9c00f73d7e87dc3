"""What the table holds before and after a chunk is written: it may differ by exactly what was written.

Both are asked of the server by the survey itself, with sums added. A row is told by the 64-bit hash of its key, under
a seed that nobody knows beforehand. The rows written are counted apart from the others: their BTC is summed exactly,
weighted by those hashes, and their difficulties may not differ from the date's; of the others the hashes of keys and
values have to be what they were. So a row that a trigger rewrote, moved or swallowed, a key in place of another and two
values exchanged all change a sum. What a chunk must leave alone (duplicates and orphans that nobody asked to remove,
rows of other models) is among the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal

import polars as pl

from recon.core import gaps
from recon.core.errors import DatabaseError
from recon.core.schema import BTC, CALC_KEY_SCHEMA, DONE_HASHES, SIDE
from recon.postgres.layout import WEIGHTS, Column
from recon.postgres.scope import Scope
from recon.postgres.tables import Tables, source_state

NOTHING = pl.DataFrame(
    schema={**CALC_KEY_SCHEMA, "key_hash": pl.Int64, "bitcoin_mined": BTC, "difficulty": pl.Decimal(38, 8)}
)
"""No rows to write."""
Side = tuple[date | None, str | None]
"""A settlement date and a miner model."""


@dataclass(frozen=True)
class Written:
    """What was read and written of a scope.

    state: SOURCE_STATE. source: its keys as the survey counts them, one row per settlement date (keys, checksum).
    rows: DONE_HASHES of the rows written, but for dates that held nothing, all of whose rows are. totals: what `totals`
    says of all rows written. counts: schema.COUNTS.
    """

    state: pl.DataFrame
    source: pl.DataFrame
    rows: pl.DataFrame
    totals: pl.DataFrame
    counts: pl.DataFrame

    @classmethod
    def of(cls, state: pl.DataFrame, keys: pl.DataFrame, rows: pl.DataFrame, counts: pl.DataFrame) -> Written:
        """keys: HASHED_ENERGY of the scope. rows: as `written`."""
        checksum = pl.col("key_hash").cast(pl.Int128).sum().cast(pl.String)
        source = keys.group_by("settlement_date").agg(keys=pl.len().cast(pl.Int64), checksum=checksum)
        return cls(state, source, told(rows), totals(rows), counts)

    @classmethod
    def of_cells(cls, source: pl.DataFrame, lots: Sequence[pl.DataFrame], counts: pl.DataFrame) -> Written:
        """source: SOURCE_CELLS of the scope. lots: the rows written, as they were priced."""
        volumes, checksum = (pl.col(name).cast(pl.Int128).sum().cast(pl.String) for name in ("volumes", "checksum"))
        dates = source.group_by("settlement_date").agg(pl.col("source_rows", "keys").sum(), volumes, checksum)
        rows = pl.concat([told(NOTHING), *map(told, lots)])
        keys = dates.select("settlement_date", "keys", "checksum")
        return cls(source_state(dates), keys, rows, sum_totals([totals(lot) for lot in lots]), counts)

    @classmethod
    def together(cls, parts: Sequence[Written]) -> Written:
        """The same of different dates."""
        state, *others = (pl.concat(frames) for frames in zip(*(vars(part).values() for part in parts), strict=True))
        return cls(source_state(state), *others)


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


def check(tables: Tables, scope: Scope, models: Sequence[str], before: pl.DataFrame, written: Written) -> pl.DataFrame:
    """Asks the server what it holds now: schema.COUNTS of the scope.

    DatabaseError (`changed`) when that is not what it held `before` (Tables.stored_cells) and what was written, or
    when the source is no longer in the state it was priced in.
    """
    begun = set(before.get_column("settlement_date"))
    fresh = [day for day in scope.dates if day not in begun]
    ours = written.rows.filter(~pl.col("settlement_date").is_in(fresh))
    stored = tables.stored_sums(scope, ours, fresh)
    for line in discrepancies(before, written.totals, stored, tables.layout.stored_columns["difficulty"]):
        raise changed(line)
    if not written.state.equals(tables.state(scope)):
        raise changed("the curtailment changed while it was read")
    sides = stored.group_by(SIDE).agg(pl.col("rows", "checksum").sum()).cast({"checksum": pl.String})
    surveyed = gaps.Survey.by_date(written.source, sides, models)
    disputed = surveyed.disputed
    return pl.concat([surveyed.counts(disputed), written.counts.join(disputed, on="settlement_date", how="semi")])


def changed(message: str) -> DatabaseError:
    """That somebody else changed something, or the table did: the chunk is tried again."""
    return DatabaseError(message, "run 'recon resume'", code="changed", sqlstate="40001")


def round_half_up(number: Decimal, decimals: int) -> Decimal:
    """As the server rounds into a column of so many decimals: half away from zero.

    >>> round_half_up(Decimal("86388558925171.025"), 2)
    Decimal('86388558925171.03')
    """
    return number.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)


def discrepancies(before: pl.DataFrame, new: pl.DataFrame, after: pl.DataFrame, column: Column) -> list[str]:
    """What does not add up: one line per settlement date and miner model; empty when all is exact.

    before: as Tables.stored_cells. new: `totals`. after: STORED_SUMS. column: the table's difficulty.
    """
    numbers = pl.col("rows", "checksum", "contents").cast(pl.Int128)
    was = before.with_columns(numbers).group_by(SIDE).agg(numbers.sum())
    others = _beside(was, after.filter(~pl.col("is_new")))
    changes = others.select(*SIDE, off=_first_off("rows", "checksum", "contents"))
    off = pl.concat([changes, compared(new, after, column).select(*SIDE, "off")]).drop_nulls("off")
    counts = [_by_side(frame) for frame in (was, new, after)]
    lines = []
    for side in sorted(_by_side(off.with_columns(rows=0)), key=str):
        had, added, found = (rows.get(side, 0) for rows in counts)
        kinds = {kind for *of, kind in off.iter_rows() if tuple(of) == side}
        what = f"the table holds {found:,} rows, not {had + added:,}" if found != had + added else _difference(kinds)
        lines.append(f"{side[0]} {side[1]}: {what} (it had {had:,} rows, {added:,} new)")
    return lines


def compared(due: pl.DataFrame, stored: pl.DataFrame, column: Column) -> pl.DataFrame:
    """What is due (`totals`) beside the new rows of `stored` (STORED_SUMS), and what is `off`, null where nothing is.

    column: as it holds difficulties they count.
    """
    sides = _beside(due, stored.filter("is_new"))
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


def _by_side(frame: pl.DataFrame) -> dict[Side, int]:
    return {(day, model): rows for day, model, rows in frame.group_by(SIDE).agg(pl.col("rows").sum()).iter_rows()}


def _is_held(column: Column, difficulty: Decimal | None, lowest: str | None, highest: str | None) -> bool:
    """Whether the column holds this difficulty in every row: as binary floating point, or rounded to its decimals."""
    if difficulty is None or lowest is None or highest is None:
        return False
    held = difficulty if column.decimals is None else round_half_up(difficulty, column.decimals)
    due = Decimal(repr(float(difficulty))) if column.is_float else held
    return Decimal(lowest) == due == Decimal(highest)


def _difference(kinds: set[str]) -> str:
    if kinds & {"rows", "checksum"}:
        return "the table holds rows of other keys than were written, or changed ones that were there"
    if "contents" in kinds:
        return "values of rows that were there have changed"
    return f"the table holds other {'BTC' if 'satoshi' in kinds else 'difficulties'} than were written"
