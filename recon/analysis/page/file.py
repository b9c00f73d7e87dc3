"""The page as a file: what `recon report` writes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import polars as pl

from recon.analysis.analyze import AnalysisOptions
from recon.analysis.page import content
from recon.core import extras
from recon.core.errors import ExitCode, UsageError
from recon.core.files import write_out
from recon.core.shown import Shown
from recon.core.suggestions import RECON, Program
from recon.core.window import Window
from recon.core.wording import counted
from recon.reconcile.request import Job
from recon.reconcile.status import Status

LIBRARIES = ("altair", "jinja2", "vl_convert")


@dataclass(frozen=True, repr=False)
class Report(Shown):
    """Where the page is, and the status that it shows."""

    status: Status
    out: Path

    @property
    def exit_code(self) -> ExitCode:
        """The status's."""
        return self.status.exit_code

    def to_dict(self) -> dict[str, Any]:
        """The JSON document of `recon report`."""
        return self.status.to_dict("report") | {"out": str(self.out)}

    def to_frame(self) -> pl.DataFrame:
        """One row per settlement date; as Status.dates."""
        return self.status.dates

    @property
    def table(self) -> pl.DataFrame:
        """One row per miner model, as a status shows."""
        return self.status.table

    @property
    def sentence(self) -> str:
        """Where the page is, of how many dates, and how these stand."""
        seen = self.status.unseen if self.status.standing == "reconciled" else ""
        return f"{self.out}: {counted(self.status.date_totals['total'], 'date')}, {self.status.standing}{seen}"


def check_possible(out: Path) -> None:
    """UsageError where the libraries of a page or the directory of the file are missing."""
    if absent := [name for name in LIBRARIES if find_spec(name) is None]:
        raise UsageError(f"a report needs {', '.join(absent)}", extras.install("report"), code="no_report")
    if not out.absolute().parent.is_dir():
        raise UsageError(f"{out.parent} is not a directory", "name another file with --out")


def write(
    job: Job, window: Window, options: AnalysisOptions, out: Path, *, made_at: datetime, program: Program = RECON
) -> Report:
    """Writes the page of a window; the tables are only read. made_at: an aware datetime. program: what suggested
    commands begin with.
    """
    page = content.gather(job, window, options, made_at=made_at)
    from recon.analysis.page import html  # brings the charts' libraries

    write_out(out, html.render(page.to_dict(program)))
    return Report(page.analysis.status, out)
