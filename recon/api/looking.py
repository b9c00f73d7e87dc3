"""What only looks: `recon.status`, `analyze`, `explain`, `verify`, `runs` and `quarantine`."""

from __future__ import annotations

from pathlib import Path
from typing import Unpack

from recon.analysis import analyze as analysis_analyze
from recon.analysis.analyze import Analysis, AnalysisOptions
from recon.api.arguments import (
    DEFAULT_ATOL_BTC,
    DEFAULT_RTOL,
    DEFAULT_WORKERS,
    MAX_FARM_MW,
    Day,
    Options,
    WindowOptions,
    Workers,
    called,
    public,
)
from recon.export import check as export_check
from recon.reconcile import history, proof, survey
from recon.reconcile.history import Runs
from recon.reconcile.proof import Proof
from recon.reconcile.status import Status
from recon.values import explanation
from recon.values import quarantine as values_quarantine
from recon.values.explanation import Explanation
from recon.values.quarantine import Quarantine

__all__ = [
    "Analysis",
    "Explanation",
    "Options",
    "Proof",
    "Quarantine",
    "Runs",
    "Status",
    "analyze",
    "explain",
    "quarantine",
    "runs",
    "status",
    "verify",
]


@public
def status(
    *,
    first: Day | None = None,
    last: Day | None = None,
    deep: bool = False,
    values: bool = False,
    atol: float = DEFAULT_ATOL_BTC,
    rtol: float = DEFAULT_RTOL,
    workers: Workers = DEFAULT_WORKERS,
    from_export: str | Path | None = None,
    **options: Unpack[WindowOptions],
) -> Status:
    """How far the tables agree, key by key; with `values`, also whether every stored value is right.

    Returns a Status: `.dates`, `.incomplete` and `.months` are frames, with a column `wrong` that is null without
    `values`; `.total("missing")` is a sum over the window.

    from_export: the directory of an export to look at instead; no database is asked.
    """
    with called("status", options, first, last, database=from_export is None) as call:
        check = call.check(atol, rtol, workers, deep=deep)
        if from_export is not None:
            return export_check.status(Path(from_export), call.job, call.window, check)
        comparison = survey.KeyComparison(deep, check.progress)
        return survey.status(call.job, call.window, comparison=comparison, check=check if values else None)


@public
def analyze(
    *,
    first: Day | None = None,
    last: Day | None = None,
    deep: bool = False,
    max_farm_mw: float = MAX_FARM_MW,
    values: bool = False,
    atol: float = DEFAULT_ATOL_BTC,
    rtol: float = DEFAULT_RTOL,
    workers: Workers = DEFAULT_WORKERS,
    **options: Unpack[WindowOptions],
) -> Analysis:
    """The status, what is odd about gaps and curtailment, and the commands that help, as `recon analyze`.

    Returns an Analysis: `.status`, `.findings` and `.recommendations`; its frame has one row per finding.

    max_farm_mw: keys with more energy than this power (MW) makes in half an hour are reported.
    """
    with called("analyze", options, first, last) as call:
        check = call.check(atol, rtol, workers, deep=deep)
        looked = AnalysisOptions(deep, max_farm_mw, check if values else None, check.progress)
        return analysis_analyze.analyze(call.job, call.window, looked)


@public
def explain(day: Day, period: int, farm: str, **options: Unpack[Options]) -> Explanation:
    """The arithmetic of one key, and what is stored for it, as `recon explain`.

    Returns an Explanation; its frame has one row per miner model.

    day: the settlement date, a `date` or "2024-04-20".
    period: the settlement period, 1 to 48 (46 or 50 on the days on which clocks change).
    farm: the `farm_id`, a BM unit.
    """
    with called("explain", options, day, day) as call:
        job, parsed = call.job, call.window.bounds[0]
        return explanation.explain(job.settings, job.reference, parsed, period, farm, name=job.name)


@public
def verify(*, first: Day | None = None, last: Day | None = None, **options: Unpack[WindowOptions]) -> Proof:
    """The proof of a window, as `recon verify`: exact sums and checksums per date, equal when the data are.

    Returns a Proof; its frame has one row per settlement date, `energy_mwh` in MWh and the sums `btc_...` in BTC.
    """
    with called("verify", options, first, last) as call:
        return proof.prove(call.job, call.window)


@public
def runs(run_id: str | None = None, **options: Unpack[Options]) -> Runs:
    """The history of runs, newest first, as `recon runs`.

    Returns Runs; its frame has one row per run, or one per date of the run named.

    run_id: of which run to tell the dates. LedgerError when there is none of that name.
    """
    with called("runs", options) as call:
        return history.history(call.job, run_id)


@public
def quarantine(run_id: str | None = None, **options: Unpack[Options]) -> Quarantine:
    """The rows that repairs replaced or removed, each whole, as `recon quarantine list`.

    Returns a Quarantine; its frame has one row per row kept. `recon quarantine restore` puts them back.

    run_id: only what this run replaced or removed. LedgerError when there is none of that name.
    """
    with called("quarantine", options) as call:
        return values_quarantine.kept(call.job.settings, run_id, name=call.job.name)
