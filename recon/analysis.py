"""`recon analyze`: the status, what the gaps have in common, and the commands that mend them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from recon import pipeline
from recon.config import Settings
from recon.database import connect
from recon.errors import ExitCode
from recon.findings import Finding, count_findings, index_finding, recommendations
from recon.reference import Reference
from recon.report import Status, date_rows
from recon.setup import index_statement
from recon.tables import inspect
from recon.window import Window


@dataclass(frozen=True)
class Analysis:
    """A status with its findings, most severe first, and (command, why) pairs, most useful first."""

    status: Status
    findings: tuple[Finding, ...]
    recommendations: tuple[tuple[str, str], ...]

    @property
    def exit_code(self) -> ExitCode:
        """The status's: findings inform, they do not fail."""
        return self.status.exit_code

    def to_dict(self) -> dict[str, Any]:
        """The JSON document of `recon analyze`."""
        months = self.status.months.to_dicts()
        return {
            **self.status.to_dict("analyze"),
            "worst_dates": date_rows(self.status.incomplete),
            "months": months,
            "findings": [finding.to_dict() for finding in self.findings],
            "recommendations": [{"command": command, "why": why} for command, why in self.recommendations],
        }


def analyze(settings: Settings, reference: Reference, window: Window, *, name: str, deep: bool = False) -> Analysis:
    """Status, findings and recommendations of a window; read-only."""
    with connect(settings, name) as session:
        layout = inspect(session, settings)
        found = pipeline.survey(session, settings, layout, reference.models, window, deep=deep)
    findings = count_findings(found)
    if not layout.unique_index:
        findings.append(index_finding(index_statement(layout)))
    blocked = _blocked(found, reference)
    return Analysis(found, tuple(findings), tuple(recommendations(found, findings, blocked)))


def _blocked(found: Status, reference: Reference) -> Sequence[date]:
    days = found.dates.filter(found.dates.get_column("missing") > 0).get_column("settlement_date").to_list()
    terms = reference.terms(days)
    return terms.filter(terms.get_column("difficulty").is_null()).get_column("settlement_date").to_list()
