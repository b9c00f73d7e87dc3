"""The nightly check: the last few settlement dates, one instance at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

from recon.core.errors import ExitCode
from recon.core.suggestions import RECON, UPDATE_DIFFICULTY, Program
from recon.core.window import MAX_FEED_AGE_DAYS, Window
from recon.core.wording import counted
from recon.reconcile.engine import THREADS, Engine
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

    coverage: the dates whose difficulty is known. newest_curtailment: the newest settlement date of the whole
    curtailment that is not after today, so that a row dated years ahead hides no feed that stopped. max_feed_age: how
    many days before today it may be; 0 for any.
    """

    report: FixReport
    coverage: Coverage
    newest_curtailment: date | None = None
    max_feed_age: int = 0

    @property
    def exit_code(self) -> ExitCode:
        """The exit code of what was done; where that is 0, 1 when nothing is coming in any more."""
        done = self.report.exit_code
        return ExitCode.DIFFERENCES if done == ExitCode.OK and self.no_curtailment else done

    @property
    def today(self) -> date:
        """The last date of the window."""
        return self.report.after.window.bounds[1]

    @property
    def no_curtailment(self) -> bool:
        """Whether the newest curtailment is older than it may be; also where there is none at all."""
        newest = self.newest_curtailment
        return self.max_feed_age > 0 and (newest is None or (self.today - newest).days > self.max_feed_age)

    @property
    def outcomes(self) -> dict[date, str]:
        """Each date of the window: fully_reconciled | nothing_expected (no curtailment to price, and no row) | fixed |
        partial | failed | blocked (both: nothing written).
        """
        after = self.report.after
        first, last = after.window.bounds
        off = set(after.incomplete.get_column("settlement_date").to_list())
        priced = set(after.dates.filter(after.dates.get_column("expected") > 0).get_column("settlement_date").to_list())
        results = {result.day: result for result in self.report.results}
        days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
        return {day: _outcome(day in off, day in priced, results.get(day)) for day in reversed(days)}

    @property
    def coverage_days(self) -> int:
        """From the window's last date to the last one whose difficulty is known; below 0 once that is past."""
        return coverage_days(self.coverage, self.report.after.window)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What will go wrong unless somebody does something, though nothing has yet; a line each."""
        if self.coverage_days >= 0:
            return ()
        late = counted(-self.coverage_days, "day")
        what = f"difficulty is known through {self.coverage.through(self.today)} only, {late} before"
        return (f"{what} {self.today}: later dates are blocked; run '{UPDATE_DIFFICULTY}'",)

    def to_dict(self, program: Program = RECON) -> dict[str, Any]:
        """The JSON document of `recon daily`: the fields of `fix`, what each date came to, and what is coming in."""
        after = self.report.after
        return {
            **self.report.to_dict(program),
            "newest_curtailment": self.newest_curtailment and str(self.newest_curtailment),
            "no_curtailment": self.no_curtailment,
            "expected": after.total("expected"),
            "outcomes": {str(day): what for day, what in self.outcomes.items()},
            "difficulty_coverage_days": self.coverage_days,
            "warnings": list(self.warnings),
            "exit_code": self.exit_code,
        }


def _outcome(off: bool, priced: bool, result: Any) -> str:
    if result is not None and result.status in ("failed", "blocked"):
        return str(result.status)
    if off:
        return "partial"
    if result is not None and (result.inserted or result.removed):
        return "fixed"
    return "fully_reconciled" if priced else "nothing_expected"


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
    engine: Engine = THREADS,
    begun: Callable[[], None] = lambda: None,
    max_feed_age: int = MAX_FEED_AGE_DAYS,
) -> DailyReport:
    """Check and fill the request's window, which ends today; IncompleteError when another instance is at work.

    check: also compare every value, once all is filled and repaired. begun: called when it is sure that no other
    instance is at work.
    """
    with only_instance(job) as (layout, lease):
        begun()
        report = fix(job, request, watcher=Renewing(watcher, lease), confirm=confirm, engine=engine)
        if check:
            check = replace(check, progress=lease.renewing(check.progress))
            report = replace(report, after=with_values(job, layout, report.after, check))
        newest, today = report.after.newest_curtailment, request.window.bounds[1]
        if newest and newest > today:
            with job.opened() as tables:
                newest = tables.newest(today)
    return DailyReport(report, job.reference.coverage, newest, max_feed_age)
