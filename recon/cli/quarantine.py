"""`recon quarantine`: the rows that repairs took out."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from recon.cli.call import Call
from recon.cli.options import DryRun, Yes, with_common

RunId = Annotated[str, typer.Argument(metavar="RUN_ID", help="A run's id, as 'recon runs' shows it.")]
AnyRun = Annotated[str | None, typer.Argument(metavar="[RUN_ID]", help="Only the rows that this run took out.")]


def add_to(app: typer.Typer) -> None:
    """Registers the group."""
    group = typer.Typer(help="The rows that repairs took out, and the way back.")
    group.command("list")(list_rows)
    group.command("restore")(restore)
    app.add_typer(group, name="quarantine")


@with_common(read_only=True)
def list_rows(call: Call, run_id: AnyRun = None) -> None:
    """Every row kept, whole, with the reason, the run and the time."""
    from recon import quarantine
    from recon.cli import render

    rows = quarantine.rows(call.settings, run_id, name=call.name)
    if call.json:
        return call.print_json({"schema_version": 1, "command": "quarantine list", "rows": rows})
    render.quarantine(call, rows)


@with_common()
def restore(call: Call, run_id: RunId, dry_run: DryRun = False, yes: Yes = False) -> int:
    """Put back what a run took out; what it wrote instead goes to the quarantine."""
    from recon import quarantine
    from recon.cli import render

    found = quarantine.restore(
        call.settings, run_id, run_id=call.run_id, dry_run=dry_run, confirm=render.consent(call, yes)
    )
    if call.json:
        call.print_json(found.to_dict())
    _tell(call, found)
    return found.exit_code


def _tell(call: Call, found: Any) -> None:
    for result in found.results:
        if result.error:
            call.say(f"{result.day} left alone: {result.error}")
    if found.dry_run:
        rows = sum(result.missing for result in found.results)
        return call.say(f"dry run: {rows:,} rows on {len(found.results):,} dates would be put back; none was")
    call.say(f"{found.restored:,} rows put back" + (f" (run {found.run_id})" if found.run_id else ""))
