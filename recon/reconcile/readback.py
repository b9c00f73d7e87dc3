"""What the table holds before and after a chunk is written: it may differ by exactly what was written.

Both are asked of the server by the survey itself, with sums added. A row is told by the 64-bit hash of its key, under
a seed that nobody knows beforehand; its values are weighted by that hash. So a row that a trigger rewrote, moved or
swallowed, a key in place of another and two values exchanged all change a sum. What a chunk must leave alone
(duplicates and orphans that nobody asked to remove, rows of other models) is in both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

import polars as pl

from recon.core import gaps
from recon.core.errors import DatabaseError
from recon.core.schema import BTC, CALC_KEY_SCHEMA, SATOSHI_DECIMALS, SIDE
from recon.postgres.layout import WEIGHTS
from recon.postgres.scope import Scope
from recon.postgres.tables import Tables, source_state

NOTHING = pl.DataFrame(
    schema={**CALC_KEY_SCHEMA, "key_hash": pl.Int64, "bitcoin_mined": BTC, "difficulty": pl.Decimal(38, 8)}
)
"""No rows to write."""
Side = tuple[date | None, str | None]
"""A settlement date and a miner model."""


@dataclass(frozen=True)
class Sums:
    """What one date holds for one miner model.

    keys: the sum of its keys' hashes. bitcoin (BTC), difficulty: the sums of its values, weighted by those hashes.
    odd: rows whose values are no finite numbers, and in no sum.
    """

    rows: int = 0
    odd: int = 0
    keys: int = 0
    bitcoin: Fraction = Fraction(0)
    difficulty: Fraction = Fraction(0)

    def __add__(self, other: Sums) -> Sums:
        return Sums(*(mine + getattr(other, name) for name, mine in vars(self).items()))


def stored_sums(surveyed: pl.DataFrame) -> dict[Side, Sums]:
    """What the server said it holds. surveyed: one row per date and miner model, as survey_stored.sql has it."""
    rows = surveyed.select(*SIDE, "rows", "odd", "checksum", "bitcoin", "difficulty").iter_rows()
    return {
        (day, model): Sums(rows, odd, int(keys), Fraction(bitcoin), Fraction(difficulty))
        for day, model, rows, odd, keys, bitcoin, difficulty in rows
    }


@dataclass(frozen=True)
class Written:
    """What was read and written of a scope.

    state: SOURCE_STATE. source: its keys as the survey counts them, one row per settlement date (keys, checksum).
    totals: what `totals` says of the rows written. counts: schema.COUNTS.
    """

    state: pl.DataFrame
    source: pl.DataFrame
    totals: pl.DataFrame
    counts: pl.DataFrame

    @classmethod
    def of(cls, state: pl.DataFrame, keys: pl.DataFrame, totals: pl.DataFrame, counts: pl.DataFrame) -> Written:
        """keys: HASHED_ENERGY of the scope."""
        checksum = pl.col("key_hash").cast(pl.Int128).sum().cast(pl.String)
        source = keys.group_by("settlement_date").agg(keys=pl.len().cast(pl.Int64), checksum=checksum)
        return cls(state, source, totals, counts)

    @classmethod
    def of_periods(cls, source: pl.DataFrame, totals: pl.DataFrame, counts: pl.DataFrame) -> Written:
        """source: SOURCE_PERIODS of the scope."""
        volumes, checksum = (pl.col(name).cast(pl.Int128).sum().cast(pl.String) for name in ("volumes", "checksum"))
        dates = source.group_by("settlement_date").agg(pl.col("source_rows", "keys").sum(), volumes, checksum)
        return cls(source_state(dates), dates.select("settlement_date", "keys", "checksum"), totals, counts)

    @classmethod
    def together(cls, parts: Sequence[Written]) -> Written:
        """The same of different dates."""
        state, *others = (pl.concat(frames) for frames in zip(*(vars(part).values() for part in parts), strict=True))
        return cls(source_state(state), *others)


def totals(rows: pl.DataFrame) -> pl.DataFrame:
    """One row per settlement date and miner model of the rows to write: how many (`new`), their exact BTC, and sums.

    rows: priced calculations with the `key_hash` of their keys; a date has one difficulty.
    """
    weight = (pl.col("key_hash") & WEIGHTS).cast(pl.Int128)
    return rows.group_by(SIDE).agg(
        new=pl.len().cast(pl.Int64),
        btc=pl.col("bitcoin_mined").sum(),
        keys=pl.col("key_hash").cast(pl.Int128).sum(),
        weights=weight.sum(),
        weighted_satoshi=(pl.col("bitcoin_mined").to_physical() * weight).sum(),
        difficulty=pl.col("difficulty").first(),
    )


def sum_totals(parts: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """The `totals` of several lots of rows."""
    summed = pl.col("new", "btc", "keys", "weights", "weighted_satoshi").sum()
    return pl.concat([totals(NOTHING), *parts]).group_by(SIDE).agg(summed, pl.col("difficulty").first())


def check(tables: Tables, scope: Scope, models: Sequence[str], before: pl.DataFrame, written: Written) -> pl.DataFrame:
    """Asks the server what it holds now: schema.COUNTS of the scope.

    DatabaseError (`changed`) when that is not what it held `before` (Tables.stored_sums) and what was written, or when
    the source is no longer in the state it was priced in.
    """
    stored = tables.stored_sums(scope)
    column = tables.layout.stored_columns["difficulty"]
    new = written_sums(written.totals, is_float=column.is_float, decimals=column.decimals)
    for line in discrepancies(stored_sums(before), new, stored_sums(stored)):
        raise changed(line)
    if not written.state.equals(tables.state(scope)):
        raise changed("the curtailment changed while it was read")
    surveyed = gaps.Survey.of(written.source, stored, models, gaps.DATE)
    disputed = surveyed.disputed
    return pl.concat([surveyed.counts(disputed), written.counts.join(disputed, on="settlement_date", how="semi")])


def changed(message: str) -> DatabaseError:
    """That somebody else changed something, or the table did: the chunk is tried again."""
    return DatabaseError(message, "run 'recon resume'", code="changed", sqlstate="40001")


def written_sums(totals: pl.DataFrame, *, is_float: bool, decimals: int | None) -> dict[Side, Sums]:
    """What `written` adds to each date and miner model, as the table's column holds difficulties: as binary floating
    point, or rounded to so many decimals.
    """
    sums = {}
    for row in totals.to_dicts():
        difficulty = _as_held(row["difficulty"], is_float, decimals) * row["weights"]
        bitcoin = Fraction(row["weighted_satoshi"], 10**SATOSHI_DECIMALS)
        sums[row["settlement_date"], row["miner_model"]] = Sums(row["new"], 0, row["keys"], bitcoin, difficulty)
    return sums


def _as_held(difficulty: Decimal, is_float: bool, decimals: int | None) -> Fraction:
    if is_float:
        return Fraction(repr(float(difficulty)))
    rounded = difficulty if decimals is None else round_half_up(difficulty, decimals)
    return Fraction(rounded)


def round_half_up(number: Decimal, decimals: int) -> Decimal:
    """As the server rounds into a column of so many decimals: half away from zero.

    >>> round_half_up(Decimal("86388558925171.025"), 2)
    Decimal('86388558925171.03')
    """
    return number.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)


def discrepancies(before: dict[Side, Sums], new: dict[Side, Sums], after: dict[Side, Sums]) -> list[str]:
    """What does not add up: one line per settlement date and miner model; empty when all is exact."""
    nothing = Sums()
    lines = []
    for side in sorted({*before, *new, *after}, key=str):
        was, added, found = (sums.get(side, nothing) for sums in (before, new, after))
        due = was + added
        if found != due:
            lines.append(
                f"{side[0]} {side[1]}: {_difference(due, found)} (it had {was.rows:,} rows, {added.rows:,} new)"
            )
    return lines


def _difference(due: Sums, found: Sums) -> str:
    if found.rows != due.rows:
        return f"the table holds {found.rows:,} rows, not {due.rows:,}"
    if found.keys != due.keys:
        return "the table holds rows of other keys than were written, or changed ones that were there"
    what = "BTC" if (found.odd, found.bitcoin) != (due.odd, due.bitcoin) else "difficulties"
    return f"the table holds other {what} than were written"
