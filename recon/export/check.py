"""`recon status --from-export`: whether an export is whole and right, by its manifest and the reference data alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from recon.core import gaps, schema
from recon.core.chunks import CHUNK_ROWS, chunks, period_groups
from recon.core.errors import DataFileError
from recon.core.schema import ENERGY, KEY
from recon.core.window import Window
from recon.export import files as export_files
from recon.export import slices
from recon.export.files import fingerprint, month_of, part_name, read_manifest, read_part
from recon.export.manifest import Manifest, Month, reaches, totals
from recon.reconcile.request import Job, ValueCheck
from recon.reconcile.status import Status
from recon.values import summary
from recon.values.judging import Judge


@dataclass(frozen=True)
class Damage:
    """A file of an export that is not as it was written.

    problem: missing | truncated (shorter, and cannot be read) | unreadable | altered (other bytes, which can be read) |
    unknown (not of this export) | unfinished (the export was interrupted before it).
    """

    file: str
    problem: str
    detail: str

    def to_dict(self) -> dict[str, str]:
        """One entry of `damage`."""
        return dict(vars(self))


@dataclass(frozen=True, repr=False)
class ExportStatus(Status):
    """The status of an export. damage: the files in disorder. left_out: why values are null in the months of the
    window, as the manifest has it, and how many.
    """

    damage: tuple[Damage, ...] = ()
    left_out: Mapping[str, int] = field(default_factory=dict)

    @property
    def damaged_files(self) -> int:
        """The files that are not as they were written."""
        return len(self.damage)

    @property
    def remarks(self) -> tuple[str, ...]:
        """The damage, and what was left out of the export."""
        lines = tuple(f"{damage.problem} file {damage.file}: {damage.detail}" for damage in self.damage)
        if not self.left_out:
            return lines
        why = ", ".join(f"{values:,} {reason}" for reason, values in self.left_out.items())
        return (*lines, f"left out when these months were exported, so missing here: {why}")

    @property
    def reconciled(self) -> bool:
        """Nothing missing, twice or surplus, no value found wrong, and no file damaged."""
        return super().reconciled and not self.damage

    @property
    def repairs(self) -> list[str]:
        """None: files are not repaired."""
        return []

    @property
    def particulars(self) -> dict[str, Any]:
        """`damage` and `left_out` of the document of `recon status --from-export`."""
        return {"damage": [found.to_dict() for found in self.damage], "left_out": dict(self.left_out)}


def status(directory: Path, job: Job, window: Window, check: ValueCheck) -> ExportStatus:
    """Status of an export: its rows against its manifest, its values against the reference data, its files against
    their checksums. DataFileError when it has no manifest to rely on.
    """
    export = _Export(directory, read_manifest(directory), window)
    models, stated = export.manifest.models, export.stated
    counts, parts, damage = [pl.DataFrame(schema=schema.COUNTS)], [], export.unfinished
    for month, files in export.files.items():
        rows, found = export.read(files)
        damage += found
        judge = _Judge(month, rows, models, job.judge(check.tolerance))
        for days, counted, part in judge.chunks():
            counts += counted
            parts.append(part)
            check.progress(days, max(days, stated.height))
    return ExportStatus(
        window,
        job.models,
        stated,
        slices.against(pl.concat(counts), stated, job.models),
        max((facts.day for month in export.manifest.months for facts in month.dates), default=None),
        summary.combined(parts, check.tolerance, job.models),
        damage=tuple(damage),
        left_out=totals(export.listed.values())["left_out"],
    )


@dataclass(frozen=True)
class _Export:
    """A window of an export's directory."""

    directory: Path
    manifest: Manifest
    window: Window

    @property
    def listed(self) -> dict[str, Month]:
        """The files that should be there."""
        form = self.manifest.form
        months = (month for month in self.manifest.months if reaches(self.window, month.month))
        return {part_name(month.month, form): month for month in months}

    @property
    def files(self) -> dict[str, list[str]]:
        """The files that should be there and those that are, by month; what belongs to no month is under ''."""
        months: dict[str, list[str]] = {}
        for file in sorted({*self.listed, *export_files.found(self.directory)}):
            name = month_of(file, self.manifest.form)
            if not name or reaches(self.window, name):
                months.setdefault(name, []).append(file)
        return months

    @property
    def unfinished(self) -> list[Damage]:
        """Months that were not written to the end."""
        names = (name for name in self.manifest.unfinished if reaches(self.window, name))
        detail = "the export was interrupted before this month; run it again"
        return [Damage(part_name(name, self.manifest.form), "unfinished", detail) for name in names]

    @property
    def stated(self) -> pl.DataFrame:
        """slices.STATED of the window."""
        facts = (facts for month in self.listed.values() for facts in month.dates if facts.day in self.window)
        return pl.DataFrame([tuple(vars(fact).values()) for fact in facts], schema=slices.STATED, orient="row")

    def read(self, files: Sequence[str]) -> tuple[pl.LazyFrame, list[Damage]]:
        """The rows of some files within the window that have a key, and what is wrong with the files."""
        parts = [self._read(file) for file in files]
        nothing = pl.LazyFrame(schema=slices.columns(self.manifest.models))
        rows = pl.concat([nothing, *(rows for rows, _ in parts if rows is not None)])
        within = pl.col("settlement_date").is_between(*self.window.bounds)
        return rows.drop_nulls(KEY).filter(within), [found for _, damage in parts for found in damage]

    def _read(self, file: str) -> tuple[pl.LazyFrame | None, list[Damage]]:
        path, month = self.directory / file, self.listed.get(file)
        damage = _damage(path, file, month)
        if not path.is_file() or not month_of(file, self.manifest.form):
            return None, damage
        try:
            return read_part(path, self.manifest.form, self.manifest.models), damage
        except DataFileError as error:
            shorter = month and path.stat().st_size < month.size
            problem = "altered" if error.code == "columns" else "truncated" if shorter else "unreadable"
            return None, [Damage(file, problem, error.message)]


def _damage(path: Path, file: str, month: Month | None) -> list[Damage]:
    """How a file differs from what the manifest says of it."""
    if month is None:
        return [Damage(file, "unknown", "the export did not write it")]
    if not path.is_file():
        return [Damage(file, "missing", f"it should have {month.rows:,} rows")]
    size, sha256 = fingerprint(path)
    if sha256 == month.sha256:
        return []
    was = f"{month.size:,} bytes of SHA-256 {month.sha256}"
    return [Damage(file, "altered", f"{size:,} bytes of SHA-256 {sha256}; it was {was}")]


@dataclass(frozen=True)
class _Judge:
    """What is judged of a month: its rows, some whole dates at a time, or some settlement periods of a larger date."""

    month: str
    rows: pl.LazyFrame
    models: Sequence[str]
    judge: Judge

    def chunks(self) -> Iterator[tuple[int, list[pl.DataFrame], summary.Part]]:
        """For some whole dates at a time how many they are, gaps.COUNTS of their pieces, and their values."""
        of_date, periods = pl.col("settlement_date"), ["settlement_date", "settlement_period"]
        sizes = self.rows.group_by(periods).agg(rows=pl.len() * len(self.models)).collect().sort(periods)
        dates = sizes.group_by("settlement_date", maintain_order=True).agg(pl.col("rows").sum())
        for days in chunks(dates.iter_rows(), max_dates=dates.height, max_rows=CHUNK_ROWS):
            here = sizes.filter(of_date.is_in(days))
            pieces = [of_date.is_in(days)]
            if here.get_column("rows").sum() > CHUNK_ROWS:  # and then one date
                groups = period_groups(here.drop("settlement_date").iter_rows(), CHUNK_ROWS)
                pieces = [(of_date == days[0]) & pl.col("settlement_period").is_in(group) for group in groups]
            counts, traces = zip(*self._pieces(pieces), strict=True)
            yield len(days), list(counts), summary.folded(traces, self.judge.reference)

    def _pieces(self, pieces: Sequence[pl.Expr]) -> Iterator[tuple[pl.DataFrame, summary.Traces]]:
        """gaps.COUNTS and the traces of each piece. Rows of another month's dates are orphans."""
        whole = True
        if len(pieces) > 1:
            sides = ((shares.select(ENERGY.keys()), stored) for shares, stored in map(self._side, pieces))
            whole = self.judge.priced_whole(sides)
        for piece in pieces:
            yield self._judged(*self._side(piece), whole)

    def _side(self, piece: pl.Expr) -> tuple[pl.DataFrame, pl.DataFrame]:
        """The keys of a piece (slices.keys), and the stored values that it stands for."""
        some = self.rows.filter(piece).collect()
        of_month = pl.col("settlement_date").dt.strftime("%Y-%m") == self.month
        return slices.keys(some.filter(of_month)), slices.stored(some, self.models)

    def _judged(self, shares: pl.DataFrame, stored: pl.DataFrame, whole: bool) -> tuple[pl.DataFrame, summary.Traces]:
        keys = shares.select(ENERGY.keys())
        judged = self.judge.verdicts(keys, stored, whole_dates=whole)
        counts = gaps.count(keys.lazy(), gaps.named(self.judge.reference.models), judged.lazy()).collect()
        return counts, summary.traces(judged, lambda some: shares.join(some, on=KEY, how="semi"))
