"""`recon quarantine`: the rows that repairs replaced or removed."""

from __future__ import annotations

from typing import Annotated

import typer

from recon.cli.call import Call
from recon.cli.common import command
from recon.cli.completion import RUN_ID, run_ids
from recon.cli.options import DryRun, Yes

RunId = Annotated[str, typer.Argument(**RUN_ID, autocompletion=run_ids)]
AnyRun = Annotated[
    str | None,
    typer.Argument(metavar="RUN_ID", help="Only the rows that this run replaced or removed.", autocompletion=run_ids),
]
group = typer.Typer(help="The rows that repairs replaced or removed, and the way back.")


@group.command("list")
@command(read_only=True)
def list_rows(call: Call, run_id: AnyRun = None) -> None:
    """The rows that repairs replaced or removed, run by run; of one run, each row.

    Risks: {reads}
    Output: a line per run: rows, reasons, dates, and how many were put back; of one run its rows, with their values
        before and after. With --json also every row, whole.
    Exit status: 0 the rows were shown; 2; 3.
    Examples:
        recon quarantine list
        recon quarantine list 7f3a0c21 --json
    """
    from recon.cli.show import quarantine as show_quarantine
    from recon.values import quarantine

    found = quarantine.kept(call.settings, run_id, name=call.name)
    if call.json:
        return call.print_json(found.to_dict())
    if run_id:
        return show_quarantine.rows(call, found.rows)
    show_quarantine.runs(call, found.runs)


@group.command("restore")
@command()
def restore(call: Call, run_id: RunId, dry_run: DryRun = False, yes: Yes = False) -> int:
    """Put back what a run replaced or removed: values in place, removed rows whole.

    Risks: it puts rows back as they were. Dates that changed since are left alone, and so is what could not come back
        equal.
    Output: the rows put back, and the dates left alone with the reason.
    Exit status: 0 every row was put back; 2; 3; 4 some dates were left alone.
    Examples:
        recon quarantine restore 7f3a0c21 --dry-run
        recon quarantine restore 7f3a0c21 --yes
    """
    from recon.cli.show import quarantine as show_quarantine
    from recon.values import quarantine

    found = quarantine.restore(call.settings, run_id, run_id=call.run_id, dry_run=dry_run, confirm=call.consent(yes))
    if call.json:
        call.print_json(found.to_dict())
    show_quarantine.restored(call, found)
    return found.exit_code
