"""Slices read from the tables as of one moment: some whole dates at a time, or a large date by settlement periods."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from recon.core import gaps
from recon.core.chunks import CHUNK_ROWS, halves, halving, on_timeout
from recon.core.schema import BTC, STORED
from recon.export import slices
from recon.postgres.profile import stage
from recon.postgres.scope import Scope
from recon.postgres.tables import Tables
from recon.values import summary
from recon.values.judging import Judge
from recon.values.verdicts import SURPLUS


@dataclass(frozen=True)
class Facts:
    """Figures of a piece, kept when its rows are written: COUNTS, traces of its values, what was left out, rounded."""

    counts: pl.DataFrame
    traces: summary.Traces
    left_out: Counter[str]
    rounded: int


@dataclass(frozen=True)
class Chunk:
    """The same figures of some whole dates, once all their pieces are written."""

    counts: pl.DataFrame
    values: summary.Part
    left_out: Counter[str]
    rounded: int

    @classmethod
    def of(cls, pieces: Sequence[Facts], judge: Judge) -> Chunk:
        """The sum of the pieces."""
        return cls(
            gaps.together([piece.counts for piece in pieces]),
            summary.folded([piece.traces for piece in pieces], judge.reference),
            sum((piece.left_out for piece in pieces), Counter[str]()),
            sum(piece.rounded for piece in pieces),
        )


@dataclass(frozen=True)
class Moment:
    """Both tables as of one moment: inside a transaction with a snapshot."""

    tables: Tables
    judge: Judge

    def taken(self, days: Sequence[date]) -> Iterator[tuple[pl.DataFrame, Facts]]:
        """The slice of some whole dates, in one piece; in several where that takes too long for a statement."""

        def read(some: Sequence[date]) -> tuple[pl.DataFrame, Facts]:
            with self.tables.session.savepoint():
                return self.piece(some, Scope.of(some))

        return halving(read, days, on_timeout(halves))

    def taken_by_periods(self, day: date) -> Iterator[tuple[pl.DataFrame, Facts]]:
        """The slice of a date that is larger than a chunk, some settlement periods after the other."""
        pieces = self.tables.pieces(day, len(self.judge.reference.models), CHUNK_ROWS)
        whole = self.judge.priced_whole((self.tables.keys(piece), self.tables.values(piece)) for piece in pieces)
        for piece in pieces:
            yield self.piece([day], piece, whole_dates=whole)

    def piece(self, days: Sequence[date], scope: Scope, *, whole_dates: bool = True) -> tuple[pl.DataFrame, Facts]:
        """The slice of a scope and its figures. whole_dates: see Judge.verdicts."""
        reference = self.judge.reference
        with stage("read"):
            keys = self.tables.keys(scope)
            exact = self.tables.frame("export/values_exact", scope)
        with stage("values"):
            stored = exact.select(STORED.keys()).cast(STORED, strict=False)  # type: ignore[arg-type]
            judged = self.judge.verdicts(keys, stored, whole_dates=whole_dates)
            btc = exact.select("row_id", "rounded", pl.col("bitcoin_mined").cast(BTC, strict=False))
            right = judged.filter(pl.col("verdict").is_in(slices.RIGHT)).join(btc, on="row_id")
            counts = gaps.count(keys.lazy(), gaps.named(reference.models), judged.lazy()).collect()
            traces = summary.traces(judged, self._shares)
            facts = Facts(counts, traces, _left_out(counts, judged), int(right["rounded"].sum()))
            return slices.taken(keys, reference.terms(days), right, reference.models), facts

    def _shares(self, some: pl.DataFrame) -> pl.DataFrame:
        return self.tables.source_rows(Scope.of_periods(some))


def _left_out(counts: pl.DataFrame, judged: pl.DataFrame) -> Counter[str]:
    """Why the slice has no value for a key and model, and how often."""
    left_out = Counter(dict(judged.group_by("verdict").len().iter_rows()))
    left_out["missing"] = int((counts["expected"] - counts["matched"]).sum())
    return Counter({why: rows for why, rows in left_out.items() if rows and why not in (*slices.RIGHT, *SURPLUS)})
