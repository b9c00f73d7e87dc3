"""What both tables hold at one moment, cell by cell: where rows lack, and what a chunk has to find unchanged."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import polars as pl

from recon.core import gaps
from recon.core.gaps import Survey
from recon.core.schema import SIDE
from recon.postgres.scope import Cells, Scope
from recon.postgres.tables import Tables
from recon.postgres.versions import Moment

LARGE_ROWS = 250_000
"""A date with more rows of the curtailment is read in groups of settlement periods."""


@dataclass(frozen=True)
class CellSurvey:
    """Some whole dates at one moment, or some settlement periods of a date.

    since, cells: by which rows and cells are told (Tables.since, Cells). source: one row per settlement date of the
    curtailment: SOURCE_STATE, how many rows are `invalid`, and the `keys` with their `checksum`. stored: one row per
    date and miner model of the calculations, as Tables.stored_cells has them. counts: schema.COUNTS of all cells but
    the doubtful ones. lacking: what lacks rows, or may (Survey.only). lone: as Survey has them. doubtful: CELL of what
    is to be compared key by key.
    """

    since: Moment | None
    cells: Cells
    source: pl.DataFrame
    stored: pl.DataFrame
    counts: pl.DataFrame
    lacking: Survey
    lone: pl.DataFrame
    doubtful: pl.DataFrame

    @classmethod
    def of(cls, tables: Tables, scope: Scope, cells: Cells, models: Sequence[str]) -> CellSurvey:
        """Of a scope, as who asks has to prove in the end: nothing that was there before the first read may change.

        Of several dates those that hold nothing have no `source`: all they have is read when they are filled.
        """
        stored = tables.stored_cells(scope, cells, contents=True)
        begun = set(stored.get_column("settlement_date").unique())
        pieces = [scope if len(scope.dates) == 1 else replace(scope, dates=tuple(sorted(begun)))]
        if scope.is_one_date:
            pieces = tables.pieces(scope.dates[0], 1, LARGE_ROWS)
        lots = (tables.source_keys(piece, cells, contents=True) for piece in pieces)
        return cls._of(tables, cells, lots, stored, models)

    @classmethod
    def quick(cls, tables: Tables, scope: Scope, cells: Cells, models: Sequence[str]) -> CellSurvey:
        """Of a scope, inside a transaction that sees one moment; as if all rows could be told by their version. Where
        one is younger, what a chunk finds is not what it says. Without the cells of dates that hold nothing: what
        these lack is known without.
        """
        rows, stored = tables.source_keys(scope, cells), tables.stored_cells(scope, cells)
        found = cls._of(tables, cells, [rows], stored, models)
        begun = found.lacking.sides.join(stored, on="settlement_date", how="semi")
        return replace(found, lacking=replace(found.lacking, sides=begun))

    @classmethod
    def _of(
        cls,
        tables: Tables,
        cells: Cells,
        lots: Iterable[pl.DataFrame],
        stored: pl.DataFrame,
        models: Sequence[str],
    ) -> CellSurvey:
        """lots: CELL_KEYS of different keys. stored: as Tables.stored_cells gives it."""
        found = [(gaps.each_once(rows), _by_date(rows)) for rows in lots]
        keys, by_date = (pl.concat(frames) for frames in zip(*found, strict=True))
        surveyed = Survey.by_cell(keys, stored, models)
        doubtful = surveyed.doubtful(keys)
        numbers = pl.col("rows", "checksum", "contents").cast(pl.Int128).sum()
        sums = stored.group_by(SIDE).agg(numbers).cast({"rows": pl.Int64, "checksum": pl.String})
        counts, lacking = surveyed.counts(doubtful), surveyed.only(doubtful)
        return cls(tables.since, cells, _source(by_date, keys), sums, counts, lacking, surveyed.lone, doubtful)

    @classmethod
    def together(cls, parts: Sequence[CellSurvey]) -> CellSurvey:
        """The same of the dates of all parts, which are as of the same moment."""
        frames = ("source", "stored", "counts", "lone", "doubtful")
        joined = {name: pl.concat([getattr(part, name) for part in parts]) for name in frames}
        sides = pl.concat([part.lacking.sides for part in parts])
        return replace(parts[0], **joined, lacking=replace(parts[0].lacking, sides=sides))

    def within(self, dates: Iterable[date]) -> CellSurvey:
        """The same of some of its dates."""
        some = pl.col("settlement_date").is_in(list(dates))
        frames: dict[str, Any] = {
            name: rows.filter(some) for name, rows in vars(self).items() if isinstance(rows, pl.DataFrame)
        }
        return replace(self, **frames, lacking=replace(self.lacking, sides=self.lacking.sides.filter(some)))

    def of_chunk(self, dates: Sequence[date]) -> CellSurvey | None:
        """The same of the dates of a chunk; None of a single one of which no cell is known (see `quick`)."""
        return None if len(dates) == 1 and self.fresh(dates) else self.within(dates)

    def fresh(self, dates: Iterable[date]) -> list[date]:
        """Those of some dates that hold no calculation."""
        begun = set(self.stored.get_column("settlement_date").unique())
        return [day for day in dates if day not in begun]


def _by_date(rows: pl.DataFrame) -> pl.DataFrame:
    """CELL_KEYS by settlement date: `source_rows`, those that are `invalid`, and `volumes`."""
    return rows.group_by("settlement_date").agg(
        source_rows=pl.len().cast(pl.Int64),
        invalid=pl.col("key_hash").null_count().cast(pl.Int64),
        volumes=pl.col("volume_hash").cast(pl.Int128).sum(),
    )


def _source(by_date: pl.DataFrame, keys: pl.DataFrame) -> pl.DataFrame:
    """CellSurvey.source. by_date: as `_by_date` has it of parts of a date. keys: CELL_KEYS, each once."""
    every = by_date.group_by("settlement_date").agg(pl.all().sum()).cast({"volumes": pl.String})
    told = every.join(gaps.summed(keys, ["settlement_date"]), on="settlement_date", how="left")
    return told.with_columns(pl.col("keys").fill_null(0), pl.col("checksum").fill_null("0"))
