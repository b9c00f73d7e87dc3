"""`recon status`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from recon.cli.call import Call
from recon.cli.common import command
from recon.cli.options import Deep, ValueOptions, WindowOptions


@command(read_only=True, unless="from_export", engine=True)
def status(
    call: Call,
    when: WindowOptions,
    deep: Deep = False,
    from_export: Annotated[
        Path | None,
        typer.Option("--from-export", metavar="DIR", help="Check what 'recon export' wrote instead of the tables."),
    ] = None,
    *,
    compare: ValueOptions,
) -> int:
    """How far the tables agree: exact counts of rows; it only reads.

    With --from-export no database is asked: rows are checked against the export's manifest, every value is computed
    anew with the reference data, and every file is compared with its checksum.

    Risks: {reads}
    Output: rows and keys, a line per miner model, the dates by how far they are, and the verdict. With --json one
        document, in which everything is counted exactly; of an export, `damage` lists files that are not as written,
        `left_out` what was left out of it. {next}
    Exit status: 0 reconciled; 1 differences found; 2; 3.
    Examples:
        recon status
        recon status --from 2024-04-01 --to 2024-04-30 --json
        recon status --values --workers auto
        recon status --from-export slice
    """
    window = when.window
    if not from_export:
        call.begin()
    from recon.cli.show import status as show_status
    from recon.reconcile import survey

    with call.comparing() as compared:
        check = compare.check(call.engine, compared, deep=deep)
        if not from_export:
            asked = survey.KeyComparison(deep, compared)
            found = survey.status(call.job, window, comparison=asked, check=check if compare.values else None)
        else:
            from recon.export import check as export_check  # brings Arrow's readers of files

            found = export_check.status(from_export, call.job, window, check)
    show_status.status(call, found)
    return found.exit_code
