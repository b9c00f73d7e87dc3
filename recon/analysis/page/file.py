"""The page as a file: what `recon report` writes."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import polars as pl

from recon.analysis.page.content import Page
from recon.core import extras
from recon.core.errors import ExitCode, UsageError
from recon.core.files import write_out
from recon.core.shown import Shown
from recon.core.wording import counted, window
from recon.reconcile.status import Status

LIBRARIES = ("altair", "jinja2", "vl_convert")


@dataclass(frozen=True, repr=False)
class Report(Shown):
    """A page and where it is."""

    page: Page
    out: Path

    @property
    def status(self) -> Status:
        """How the tables stand."""
        return self.page.analysis.status

    @property
    def exit_code(self) -> ExitCode:
        """The status's."""
        return self.status.exit_code

    def to_dict(self) -> dict[str, Any]:
        """The JSON document of `recon report`."""
        return self.status.to_dict("report", self.page.program) | {"out": str(self.out)}

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
        looked_at = window(self.status.looked_at.first, self.status.looked_at.last)
        dates = f"{counted(self.status.date_totals['total'], 'date')} ({looked_at})"
        return f"{self.out}: {dates}, {self.status.standing}{seen}"


def check_possible(out: Path) -> None:
    """UsageError where the libraries of a page or the directory of the file are missing."""
    if absent := [name for name in LIBRARIES if find_spec(name) is None]:
        raise UsageError(f"a report needs {', '.join(absent)}", extras.install("report"), code="no_report")
    if not out.absolute().parent.is_dir():
        raise UsageError(f"{out.parent} is not a directory", "name another file with --out")


def write(page: Page, out: Path) -> Report:
    """Writes the page to a file."""
    from recon.analysis.page import html  # brings the charts' libraries

    write_out(out, html.render(page.to_dict()))
    return Report(page, out)
