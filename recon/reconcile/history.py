"""`recon runs`: which runs there were, and what became of each date of one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl

from recon.core.errors import ExitCode, document
from recon.core.plan import DateResult, results_frame
from recon.core.shown import Shown
from recon.postgres import ledger
from recon.reconcile.request import Job


@dataclass(frozen=True, repr=False)
class Runs(Shown):
    """Runs as the ledger has them, newest first; or one run (`runs` has it alone) with the results of its `dates`."""

    runs: tuple[dict[str, Any], ...]
    dates: tuple[DateResult, ...] = ()
    one: bool = False

    @property
    def exit_code(self) -> ExitCode:
        """0: they were shown."""
        return ExitCode.OK

    def to_dict(self) -> dict[str, Any]:
        """The JSON document of `recon runs`."""
        per_date = {"dates": [result.to_dict() for result in self.dates]} if self.dates else {}
        return document("runs", runs=[_run_dict(run) for run in self.runs], **per_date)

    def to_frame(self) -> pl.DataFrame:
        """RUNS: one row per run, newest first; of one run plan.RESULTS, one row per date, in the plan's order."""
        if self.one:
            return results_frame(self.dates)
        return pl.DataFrame([[run[name] for name in RUNS] for run in self.runs], schema=RUNS, orient="row")

    @property
    def sentence(self) -> str:
        """The newest run and how many there are."""
        if not self.runs:
            return "no run yet: a run is recorded from when it has something to write"
        newest = self.runs[0]
        done = f"{newest['dates_done']:,} of {newest['dates']:,} dates done"
        written, replaced, removed = newest["inserted"] - newest["replaced"], newest["replaced"], newest["removed"]
        rows = f"{written:,} rows written, {replaced:,} replaced, {removed:,} removed"
        line = f"run {newest['run_id']} ({newest['command']}): {newest['status']}, {done}, {rows}"
        return line if self.one else f"{len(self.runs):,} in all, the newest {line}"


RUNS: dict[str, Any] = {
    **dict.fromkeys(("run_id", "command", "status"), pl.String),
    **dict.fromkeys(("first_date", "last_date"), pl.Date),
    **dict.fromkeys(("dates", "dates_done", "inserted", "replaced", "removed"), pl.Int64),
    **dict.fromkeys(("started_at", "finished_at", "code_version"), pl.String),
}
"""One row per run."""


def _run_dict(run: dict[str, Any]) -> dict[str, Any]:
    ends = {name: None if run[name] is None else str(run[name]) for name in ("first_date", "last_date")}
    return {**run, **ends}


def history(job: Job, run_id: str | None) -> Runs:
    """All runs, or the one named with its dates; LedgerError when it is not there."""
    runs, dates = ledger.history(job.settings, run_id, name=job.name)
    return Runs(tuple(runs), tuple(dates), run_id is not None)
