"""`recon analyze`: the status, what gaps have in common, what is odd in the source, and the commands that help."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from recon.analysis import gap_shapes, source_reads
from recon.analysis.findings import Finding, by_severity, index_finding, recommendations, superfluous_finding
from recon.analysis.gap_findings import count_findings, shape_findings
from recon.core.errors import ExitCode, UsageError
from recon.core.settings import MAX_FARM_MW
from recon.core.shown import Shown
from recon.core.suggestions import RECON, Advice, Program
from recon.core.window import Window
from recon.postgres.superfluous_index import superfluous_indexes
from recon.reconcile.request import Job, ValueCheck
from recon.reconcile.status import Status, date_rows
from recon.reconcile.survey import KeyComparison, Scanned, survey
from recon.reconcile.value_check import with_values
from recon.reconcile.watcher import Compared, unwatched


@dataclass(frozen=True, repr=False)
class Analysis(Shown):
    """A status with its findings, most severe first, and (command, why) pairs, in the order to run them."""

    status: Status
    findings: tuple[Finding, ...]
    recommendations: tuple[tuple[Advice, Advice], ...]

    @property
    def exit_code(self) -> ExitCode:
        """The status's: findings inform, they do not fail."""
        return self.status.exit_code

    def to_frame(self) -> pl.DataFrame:
        """One row per finding, most severe first: code, severity, count, an example, and what to do."""
        names = ("code", "severity", "count", "example", "advice")
        rows = [{name: finding.to_dict()[name] for name in names} for finding in self.findings]
        return pl.DataFrame(rows, schema={name: pl.Int64 if name == "count" else pl.String for name in names})

    @property
    def sentence(self) -> str:
        """How the tables stand, the codes of what was found, and the first command to run."""
        todo = [f"run '{RECON.render(command)}'" for command, _ in self.recommendations[:1]]
        return "; ".join([self.status.sentence, *(finding.code for finding in self.findings), *todo])

    def to_dict(self, program: Program = RECON) -> dict[str, Any]:
        """The JSON document of `recon analyze`. program: what suggested commands begin with."""
        advice = [tuple(map(program.render, pair)) for pair in self.recommendations]
        months = self.status.months if self.status.values else self.status.months.drop("wrong")
        return {
            **self.status.to_dict("analyze", program),
            "worst_dates": date_rows(self.status.incomplete),
            "months": months.to_dicts(),
            "findings": [finding.to_dict(program) for finding in self.findings],
            "recommendations": [{"command": command, "why": why} for command, why in advice],
        }


@dataclass
class _Shapes:
    """Collects the shapes of the gaps while the survey compares keys: small frames, however many keys pass by."""

    models: Sequence[str]
    dates: list[pl.DataFrame] = field(default_factory=list)
    farms: list[pl.DataFrame] = field(default_factory=list)

    @property
    def scanned(self) -> Scanned:
        """For `survey`."""
        return Scanned(self._piece, self._dates)

    def _piece(self, keys: pl.DataFrame, done: pl.DataFrame) -> pl.DataFrame:
        pairs = gap_shapes.marked(keys.lazy(), self.models, done.lazy()).collect().lazy()
        self.farms.append(gap_shapes.farm_gaps(pairs).collect())
        return gap_shapes.cells(pairs, self.models).collect()

    def _dates(self, pieces: Sequence[pl.DataFrame]) -> None:
        self.dates.append(gap_shapes.shapes(pl.concat(pieces).lazy()).collect())

    def findings(self, status: Status) -> list[Finding]:
        """What the gaps of the compared dates have in common."""
        dates = pl.concat([pl.DataFrame(schema=gap_shapes.SHAPES), *self.dates]).sort("settlement_date")
        return shape_findings(status, dates, pl.concat([pl.DataFrame(schema=gap_shapes.FARM_GAPS), *self.farms]))


@dataclass(frozen=True)
class AnalysisOptions:
    """Options of an analysis: how deep it goes, and what is looked at.

    deep: compare the keys of every date. max_farm_mw: a key with more energy than that much power makes in half an
    hour is reported. check: compare every stored value too. compared: is called with the dates compared so far.
    """

    deep: bool = False
    max_farm_mw: float = MAX_FARM_MW
    check: ValueCheck | None = None
    compared: Compared = unwatched

    def __post_init__(self) -> None:
        if not 0 < self.max_farm_mw < float("inf"):
            raise UsageError(f"--max-farm-mw is {self.max_farm_mw:g}", "give megawatts, above 0")


def analyze(job: Job, window: Window, options: AnalysisOptions | None = None) -> Analysis:
    """Status, findings and recommendations of a window; read-only."""
    options = options or AnalysisOptions()
    shapes = _Shapes(job.models)
    with job.pool() as pool, job.tables(pool) as tables:
        status = survey(tables, job, window, KeyComparison(options.deep, options.compared, shapes.scanned), pool)
        days = status.source.get_column("settlement_date")
        source = source_reads.find(tables, days, max_farm_mw=options.max_farm_mw)
        superfluous = superfluous_finding(superfluous_indexes(tables.session, tables.layout))
    if options.check:
        status = with_values(job, tables.layout, status, options.check)
    index = [] if tables.layout.unique_index else [index_finding(tables.layout.index_statement)]
    findings = by_severity([*count_findings(status), *shapes.findings(status), *index, *superfluous, *source])
    return Analysis(status, tuple(findings), tuple(recommendations(status, findings)))
