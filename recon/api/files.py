"""What is written to files: `recon.report` and `recon.export_slice`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, Unpack

from recon.analysis.analyze import AnalysisOptions
from recon.analysis.page import content, file
from recon.analysis.page.file import Report
from recon.api.arguments import (
    DEFAULT_ATOL_BTC,
    DEFAULT_RTOL,
    DEFAULT_WORKERS,
    Day,
    ExportFormat,
    WindowOptions,
    Workers,
    called,
    choice,
    public,
)
from recon.export import write
from recon.export.files import Target
from recon.export.write import ExportReport

__all__ = [
    "ExportReport",
    "Report",
    "export_slice",
    "report",
]


@public
def report(
    out: str | Path = "report.html",
    *,
    first: Day | None = None,
    last: Day | None = None,
    values: bool = False,
    atol: float = DEFAULT_ATOL_BTC,
    rtol: float = DEFAULT_RTOL,
    workers: Workers = DEFAULT_WORKERS,
    **options: Unpack[WindowOptions],
) -> Report:
    """Writes one page of HTML to look at, as `recon report`: calendar, charts, findings, runs. It needs the extra
    `report`.

    Returns a Report: where the page is, and the status that it shows; its frame has one row per settlement date.

    out: the file, which is replaced.
    """
    place = Path(out)
    file.check_possible(place)
    with called("report", options, first, last) as call:
        check = call.check(atol, rtol, workers)
        looked = AnalysisOptions(check=check if values else None, compared=check.progress)
        page = content.gather(call.job, call.window, looked, made_at=datetime.now(UTC))
        return file.write(page, place)


@public
def export_slice(
    out: str | Path,
    *,
    first: Day | None = None,
    last: Day | None = None,
    format: Literal["parquet", "csv"] = "parquet",  # noqa: A002 the command's own word
    atol: float = DEFAULT_ATOL_BTC,
    rtol: float = DEFAULT_RTOL,
    **options: Unpack[WindowOptions],
) -> ExportReport:
    """Writes the reconciled rows as files, one per month, as `recon export`: one row per key, with its energy in MWh
    and the BTC of each miner model, null where none is stored that is right.

    Returns an ExportReport; its frame has one row per file written. Read the slice with
    `polars.scan_parquet(f"{out}/*/*.parquet", hive_partitioning=True)`.

    out: the directory; made if need be. Months that the window reaches are written anew, others stay.
    format: how files are written.
    """
    target = Target(Path(out), choice(ExportFormat, "format", format))
    with called("export", options, first, last) as call:
        return write.export(call.job, call.window, target, call.check(atol, rtol, 1))
