"""`recon report`: a page to look at."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from recon.cli.call import Call, write_out
from recon.cli.common import command
from recon.cli.options import ValueOptions, WindowOptions
from recon.core import extras
from recon.core.errors import UsageError

LIBRARIES = ("altair", "jinja2", "vl_convert")
Out = Annotated[Path, typer.Option("--out", metavar="FILE", help="The file that the page is written to.")]


@command(read_only=True, engine=True)
def report(
    call: Call,
    out: Out = Path("report.html"),
    *,
    when: WindowOptions,
    compare: ValueOptions,
) -> int:
    """One page to look at: calendar, charts, findings, runs.

    It is one HTML file, which loads nothing from elsewhere. The exit code is that of 'recon status'.

    Risks: none for the database, from which it only reads; the file is replaced.
    Output: the file. With --json the document of status, and `out`, where the page is.
    Exit status: 0 reconciled; 1 differences found; 2; 3.
    Examples:
        recon report --out report.html
        recon report --from 2024-04-01 --to 2024-04-30 --values --out april.html
    """
    window = when.window
    _check_possible(out)
    from recon.analysis.analyze import AnalysisOptions
    from recon.analysis.page import content
    from recon.cli.show import status

    with call.comparing() as compared:
        check = compare.check(call.engine, compared)
        options = AnalysisOptions(check=check if compare.values else None, compared=compared)
        found = content.gather(call.job, window, options, made_at=datetime.now(UTC))
    from recon.analysis.page import html

    write_out(out, html.render(found.to_dict(call.program)))
    status.report(call, found.analysis.status, out)
    return found.analysis.exit_code


def _check_possible(out: Path) -> None:
    """UsageError where the libraries of a page or the directory of the file are missing."""
    if absent := [name for name in LIBRARIES if find_spec(name) is None]:
        raise UsageError(f"a report needs {', '.join(absent)}", extras.install("report"), code="no_report")
    if not out.absolute().parent.is_dir():
        raise UsageError(f"{out.parent} is not a directory", "name another file with --out")
