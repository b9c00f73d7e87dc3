"""The nightly check: the last few settlement dates, one instance at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

from recon.core.errors import ExitCode
from recon.core.suggestions import RECON, UPDATE_DIFFICULTY, Program
from recon.core.window import Window
from recon.core.wording import counted
from recon.reconcile.engine import Engine, threads
from recon.reconcile.fix import fix
from recon.reconcile.instance import Renewing, only_instance
from recon.reconcile.planned_changes import Confirm, agreed
from recon.reconcile.report import FixReport
from recon.reconcile.request import FixRequest, Job, ValueCheck
from recon.reconcile.value_check import with_values
from recon.reconcile.watcher import Watcher
from recon.reference.difficulty.coverage import Coverage


@dataclass(frozen=True)
class DailyReport:
    """A nightly run: what `fix` did, and what every date of the window came to.

    coverage: the dates whose difficulty is known.
    """

    report: FixReport
    coverage: Coverage

    @property
    def exit_code(self) -> ExitCode:
        """The exit code of the run."""
        return self.report.exit_code

    @property
    def outcomes(self) -> dict[date, str]:
        """Each date of the window: fully_reconciled | fixed | partial | failed | blocked (both: nothing written)."""
        window = self.report.after.window
        first, last = window.bounds
        off = set(self.report.after.incomplete.get_column("settlement_date").to_list())
        results = {result.day: result for result in self.report.results}
        days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
        return {day: _outcome(day in off, results.get(day)) for day in reversed(days)}

    @property
    def coverage_days(self) -> int:
        """From the window's last date to the last one whose difficulty is known; below 0 once that is past."""
        return coverage_days(self.coverage, self.report.after.window)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What will go wrong unless somebody does something, though nothing has yet; a line each."""
        if self.coverage_days >= 0:
            return ()
        last, late = self.report.after.window.bounds[1], -self.coverage_days
        what = f"difficulty is known through {self.coverage.through(last)} only, {counted(late, 'day')} before"
        return (f"{what} {last}: later dates are blocked; run '{UPDATE_DIFFICULTY}'",)

    def to_dict(self, program: Program = RECON) -> dict[str, Any]:
        """The JSON document of `recon daily`: the fields of `fix`, what is left, and why. `wrong` is None unless the
        values were compared.
        """
        after = self.report.after
        return {
            **self.report.to_dict(program),
            "outcomes": {str(day): what for day, what in self.outcomes.items()},
            "missing_before": max(sum(result.missing for result in self.report.results), after.total("missing")),
            "duplicate": after.total("duplicate"),
            "orphan": after.total("orphan"),
            "wrong": after.values.wrong if after.values else None,
            "blocked_dates": self.report.statuses["blocked"],
            "failed_dates": self.report.statuses["failed"],
            "difficulty_coverage_days": self.coverage_days,
            "warnings": list(self.warnings),
            "exit_code": self.exit_code,
        }


def _outcome(off: bool, result: Any) -> str:
    if result is not None and result.status in ("failed", "blocked"):
        return str(result.status)
    if off:
        return "partial"
    return "fixed" if result is not None and (result.inserted or result.removed) else "fully_reconciled"


def window(today: date, days: int) -> Window:
    """`today` and the days before it: so many dates."""
    return Window(today - timedelta(days=days - 1), today)


def coverage_days(coverage: Coverage, window: Window) -> int:
    """Days from the window's last date, which is today, to the last date whose difficulty is known without a hole;
    below 0 when today's is not.
    """
    return coverage.days_left(window.bounds[1])


def daily(
    job: Job,
    request: FixRequest,
    *,
    watcher: Watcher,
    check: ValueCheck | None = None,
    confirm: Confirm = agreed,
    engine: Engine = threads,
    begun: Callable[[], None] = lambda: None,
) -> DailyReport:
    """Check and fill the request's window; IncompleteError when another instance is at work.

    check: also compare every value, once all is filled and repaired. begun: called when it is sure that no other
    instance is at work.
    """
    with only_instance(job) as (layout, lease):
        begun()
        report = fix(job, request, watcher=Renewing(watcher, lease), confirm=confirm, engine=engine)
        if check:
            check = replace(check, progress=lease.renewing(check.progress))
            report = replace(report, after=with_values(job, layout, report.after, check))
    return DailyReport(report, job.reference.coverage)
