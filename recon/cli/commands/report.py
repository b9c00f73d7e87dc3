"""`recon report`: a page to look at."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from recon.cli.call import Call
from recon.cli.common import command
from recon.cli.options import ValueOptions, WindowOptions

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
    from recon.analysis.page import content, file

    file.check_possible(out)
    from recon.analysis.analyze import AnalysisOptions
    from recon.cli.show import status

    with call.comparing() as compared:
        check = compare.check(call.engine, compared)
        options = AnalysisOptions(check=check if compare.values else None, compared=compared)
        page = content.gather(call.job, window, options, made_at=datetime.now(UTC), program=call.program)
    found = file.write(page, out)
    status.report(call, found)
    return found.exit_code
