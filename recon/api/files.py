"""What is written to files: `recon.report` and `recon.export_slice`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, Unpack

from recon.analysis.analyze import AnalysisOptions
from recon.analysis.page import file
from recon.analysis.page.file import Report
from recon.api.arguments import Day, WindowOptions, Workers, asked, choice, public, window
from recon.api.progress import comparing
from recon.core.settings import DEFAULT_ATOL_BTC, DEFAULT_RTOL, DEFAULT_WORKERS, ExportFormat, parse_workers
from recon.export import write
from recon.export.files import Target
from recon.export.write import ExportReport
from recon.reconcile.request import ValueCheck
from recon.values.tolerance import Tolerance


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
    place, dates = Path(out), window(first, last, options)
    file.check_possible(place)
    job = asked("report", options)
    with comparing(options.get("progress")) as compared:
        check = ValueCheck(Tolerance(atol, rtol), parse_workers(str(workers)), compared)
        looked = AnalysisOptions(check=check if values else None, compared=compared)
        return file.write(job, dates, looked, place, made_at=datetime.now(UTC))


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
    dates, target = window(first, last, options), Target(Path(out), choice(ExportFormat, "format", format))
    job = asked("export", options)
    with comparing(options.get("progress")) as compared:
        return write.export(job, dates, target, ValueCheck(Tolerance(atol, rtol), 1, compared))
