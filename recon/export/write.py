"""`recon export`: the reconciled slice of a window as files for notebooks, as of one moment and read-only."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from recon.core import schema
from recon.core.chunks import CHUNK_ROWS, chunks
from recon.core.errors import ExitCode, UsageError, document
from recon.core.schema import FrameSchema
from recon.core.shown import Shown
from recon.core.version import __version__
from recon.core.window import Window
from recon.core.wording import counted
from recon.export import files, slices
from recon.export.files import Target
from recon.export.manifest import DateFacts, Manifest, Month, by_month, reaches, totals
from recon.export.moment import Chunk, Moment
from recon.reconcile.request import Job, ValueCheck
from recon.reconcile.status import Status
from recon.reconcile.survey import aggregates
from recon.values import summary

WRITTEN: FrameSchema = {"file": pl.String, "keys": pl.Int64, "btc_values": pl.Int64, "left_out": pl.Int64}
"""One row per file of an export."""


@dataclass(frozen=True, repr=False)
class ExportReport(Shown):
    """Result of an export.

    status: the tables at that moment, with the verdict on every value. blocked: dates whose difficulty or subsidy is
    not known. manifest: the whole directory. written: the months of this export.
    """

    directory: Path
    status: Status
    blocked: tuple[date, ...]
    manifest: Manifest
    written: tuple[Month, ...]

    @property
    def exit_code(self) -> ExitCode:
        """0 when the tables agree and every value is right, 4 when dates are blocked, else 1."""
        return ExitCode.INCOMPLETE if self.blocked else self.status.exit_code

    def to_frame(self) -> pl.DataFrame:
        """One row per month written: its file, keys, BTC values, and those left out."""
        rows = [(files.part_name(month.month, self.manifest.form), totals([month])) for month in self.written]
        figures = [(file, sums["rows"], sums["exported"], sums["expected"] - sums["exported"]) for file, sums in rows]
        return pl.DataFrame(figures, schema=WRITTEN, orient="row")

    @property
    def sentence(self) -> str:
        """What was written where, and how the tables stand."""
        blocked = f"; {counted(len(self.blocked), 'date')} blocked" if self.blocked else ""
        written = f"{counted(len(self.written), 'file')} written to {self.directory}"
        return f"{written}{blocked}; {self.status.sentence}"

    def to_dict(self) -> dict[str, Any]:
        """The JSON document of `recon export`."""
        return {
            **document("export"),
            "window": self.status.looked_at.to_dict(),
            "out": str(self.directory),
            "format": self.manifest.form,
            **totals(self.written),
            "months": [
                {"file": files.part_name(month.month, self.manifest.form), **month.to_dict()} for month in self.written
            ],
            "blocked": [str(day) for day in self.blocked],
            "reconciled": self.status.reconciled,
        }


def export(job: Job, window: Window, target: Target, check: ValueCheck) -> ExportReport:
    """Writes every month of the window anew, one file after the other, and the manifest after each."""
    with files.sole_use(target.directory):
        manifest = _begun(job, window, target, check)
        with job.opened() as tables, tables.session.transaction(read_only=True, snapshot=True):
            return _export(Moment(tables, job.judge(check.tolerance)), manifest, target, check)


def _begun(job: Job, window: Window, target: Target, check: ValueCheck) -> Manifest:
    """The directory's manifest, as it is to be gone on with; UsageError when that would mix or lose data."""
    directory = target.directory
    parameters = {"fleet": str(job.settings.fleet), "tolerance": vars(check.tolerance), **job.reference.parameters()}
    new = Manifest(str(target.form), job.models, window, parameters, __version__)
    if not (directory / files.MANIFEST).exists():
        return new
    old = files.read_manifest(directory)
    elsewhere = "export to another directory, or with the same options"
    for what in ("fleet", "miners"):
        if old.parameters.get(what) != parameters[what]:
            raise UsageError(f"{directory} was exported with other {what}", elsewhere)
    if old.form != new.form:
        raise UsageError(f"{directory} was exported as {old.form}", elsewhere)
    reached = (month for month in old.months if reaches(window, month.month))
    lost = [facts.day for month in reached for facts in month.dates if facts.day not in window]
    if lost:
        raise UsageError(
            f"a month is exported as a whole: {len(lost):,} exported dates are outside the window, first {lost[0]}",
            "widen --from and --to, or export to another directory",
        )
    return replace(new, months=old.months, unfinished=old.unfinished)


def _export(moment: Moment, manifest: Manifest, target: Target, check: ValueCheck) -> ExportReport:
    window, directory = manifest.window, target.directory
    source, stored, _ = aggregates([moment.tables], window)
    sizes = dict(pl.concat([_sizes(source, "keys"), _sizes(stored, "rows")]).group_by("day").sum().iter_rows())
    former = (name for name in (*manifest.unfinished, *(m.month for m in manifest.months)) if reaches(window, name))
    names = sorted({*former, *by_month(sizes)})
    manifest = replace(manifest, unfinished=tuple(sorted({*manifest.unfinished, *names})))
    files.write_manifest(directory, manifest)
    facts: list[Chunk] = []
    for name in names:
        days = [(day, sizes[day]) for day in by_month(sizes).get(name, [])]
        month, kept = _month(moment, target, name, source, days)
        manifest = manifest.with_month(name, month)
        files.write_manifest(directory, manifest)
        facts += kept
        if days:
            check.progress(len(days), len(sizes))
    return _report(moment, manifest, directory, source, facts, names)


def _sizes(aggregates: pl.DataFrame, column: str) -> pl.DataFrame:
    return aggregates.select(day="settlement_date", rows=pl.col(column).cast(pl.Int64))


def _month(
    moment: Moment,
    target: Target,
    name: str,
    source: pl.DataFrame,
    days: Sequence[tuple[date, int]],
) -> tuple[Month | None, list[Chunk]]:
    """Writes a month, or removes it when the curtailment has no date of it, whatever is stored."""
    facts: list[Chunk] = []
    larger = {day for day, rows in days if rows > CHUNK_ROWS}

    def taken() -> Iterator[pl.DataFrame]:
        for batch in chunks(days, max_dates=len(days), max_rows=CHUNK_ROWS):
            pieces = []
            for rows, kept in moment.taken_by_periods(batch[0]) if larger & {*batch} else moment.taken(batch):
                pieces.append(kept)
                yield rows
            facts.append(Chunk.of(pieces, moment.judge))

    stated = source.filter(pl.col("settlement_date").is_in([day for day, _ in days])).select(slices.STATED.keys())
    if stated.is_empty():
        deque(taken(), maxlen=0)
        files.remove_part(target, name)
        return None, facts
    part = files.write_part(target, name, moment.judge.reference.models, taken())
    left_out = sum((kept.left_out for kept in facts), Counter[str]())
    dates = tuple(DateFacts(*row) for row in stated.iter_rows())
    expected = sum(int(kept.counts["expected"].sum()) for kept in facts)
    rounded = sum(kept.rounded for kept in facts)
    return Month(name, **vars(part), expected=expected, left_out=left_out, rounded=rounded, dates=dates), facts


def _report(
    moment: Moment,
    manifest: Manifest,
    directory: Path,
    source: pl.DataFrame,
    facts: Sequence[Chunk],
    names: list[str],
) -> ExportReport:
    counts = pl.concat([pl.DataFrame(schema=schema.COUNTS), *(chunk.counts for chunk in facts)])
    judged = summary.combined([chunk.values for chunk in facts], moment.judge.tolerance, manifest.models)
    undated = moment.tables.undated(manifest.window)
    status = Status(manifest.window, manifest.models, source, counts, values=judged, undated=undated)
    with_keys = source.filter(pl.col("keys") > 0).get_column("settlement_date")
    unknown = moment.judge.reference.terms(with_keys).filter(pl.any_horizontal(pl.all().is_null()))
    blocked = tuple(unknown.get_column("settlement_date"))
    written = tuple(month for month in manifest.months if month.month in names)
    return ExportReport(directory, status, blocked, manifest, written)
