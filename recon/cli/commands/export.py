"""`recon export`: the reconciled slice as files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from recon.cli.call import Call
from recon.cli.common import command
from recon.cli.options import ToleranceOptions, ValueOptions, WindowOptions
from recon.core.settings import ExportFormat


@command(read_only=True)
def export(
    call: Call,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="The directory; made if need be.")],
    when: WindowOptions,
    form: Annotated[ExportFormat, typer.Option("--format", help="How files are written.")] = ExportFormat.PARQUET,
    *,
    near: ToleranceOptions,
) -> int:
    """The reconciled rows as files, one per month.

    One row per key that can be priced: energy in MWh, the BTC of each miner model, difficulty and block subsidy, in
    DIR/month=2024-03/part-0.parquet and so on. Each BTC value is the stored one, to a satoshi (0.00000001 BTC); of
    duplicates it is the one that agrees. It is null where the row is missing, wrong or blocked: DIR/_manifest.json
    counts these. Orphans are left out. All is read as of one moment. Each file is written whole or not at all. A later
    export to the same DIR writes the months it reaches anew and leaves the others.

    Risks: it writes files, within DIR only; the tables are read in read-only transactions.
    Output: per month its keys, the BTC values written and those left out, why, and the verdict on the tables.
    Exit status: 0 the tables are reconciled and every value is right; 1 something was left out, or stored rows are
        duplicates or orphans; 2; 3; 4 dates have no difficulty, or another export is writing to DIR.
    Examples:
        recon export --out slice
        recon export --out slice --from 2024-04-01 --format csv
        recon status --from-export slice
    """
    window = when.window
    from recon.cli.show import export as show_export
    from recon.export import write
    from recon.export.files import Target

    with call.comparing() as compared:
        check = ValueOptions(near=near).check(call.engine, compared, workers=1)
        report = write.export(call.job, window, Target(out, form), check)
    show_export.export(call, report)
    return report.exit_code
