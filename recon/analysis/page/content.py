"""`recon report`: the content of its page: analysis, calendar, sums of BTC by month, runs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from recon.analysis import calendar
from recon.analysis.analyze import Analysis, AnalysisOptions, analyze
from recon.analysis.page.btc import MonthBtc, by_month, gaps
from recon.core.errors import LedgerError, PermissionDenied
from recon.core.suggestions import RECON, Program
from recon.core.version import __version__
from recon.core.window import Window
from recon.postgres import ledger
from recon.postgres.session import Session
from recon.reconcile.request import Job

SHOWN_RUNS = 50
RUN_COUNTS = ("dates", "dates_done", "inserted", "replaced", "removed")
RUN_FIELDS = ("run_id", "command", "status", *RUN_COUNTS, "started_at", "finished_at")


@dataclass(frozen=True)
class Page:
    """The content of the page.

    btc: one per month and miner model, in order. runs: newest first; runs_note says what is not among them and why.
    made_at is an aware datetime. program: what suggested commands begin with.
    """

    analysis: Analysis
    btc: tuple[MonthBtc, ...]
    runs: tuple[dict[str, Any], ...]
    runs_note: str
    made_at: datetime
    program: Program = RECON

    def to_dict(self) -> dict[str, Any]:
        """The document that is embedded in the page: all of `analyze`, and every figure that the page shows besides."""
        days = calendar.days(self.analysis.status)
        return {
            **self.analysis.to_dict(self.program),
            "command": "report",
            "code_version": __version__,
            "made_at": f"{self.made_at:%Y-%m-%d %H:%M} UTC",
            "values_checked": self.analysis.status.values is not None,
            "calendar": [day.to_dict() for day in days],
            "by_month": [month.to_dict() for month in calendar.months(days)],
            "btc_by_month": [row.to_dict() for row in self.btc],
            "btc_gaps": gaps(self.btc),
            "runs": list(self.runs),
            "runs_note": self.runs_note,
        }


def gather(job: Job, window: Window, options: AnalysisOptions, *, made_at: datetime, program: Program = RECON) -> Page:
    """The page's content; read-only. The analysis is as of one moment, sums and runs as of the next."""
    found = analyze(job, window, options)
    with job.opened() as tables:
        with tables.session.transaction(read_only=True, snapshot=True):
            stored = tables.aggregate(window, "analysis/stored_btc")
        runs, note = _runs(tables.session)
    return Page(found, tuple(by_month(found.status, stored)), tuple(runs), note, made_at, program)


def _runs(session: Session) -> tuple[list[dict[str, Any]], str]:
    """The newest runs, and a note on those that are left out."""
    try:
        history = ledger.runs(session)
    except (LedgerError, PermissionDenied) as error:
        return [], str(error)
    shown = [{name: row[name] for name in RUN_FIELDS} for row in history[:SHOWN_RUNS]]
    if not history:
        return [], "no run yet"
    older = len(history) - len(shown)
    return shown, f"and {older:,} older ones: 'recon runs --json' has them all" if older else ""
