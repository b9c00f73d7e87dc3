"""`recon init`."""

from __future__ import annotations

from typing import Annotated

import typer

from recon.cli.call import Call
from recon.cli.common import command


@command()
def init(
    call: Call,
    unique_index: Annotated[
        bool, typer.Option("--unique-index", help="Also create the unique index, concurrently.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the statements; run none.")] = False,
) -> int:
    """Create the ledger of runs, and the unique index if wanted.

    Risks: it creates the schema recon and, with --unique-index, an index (concurrently: nobody has to wait).
    Output: what exists, what was created; with --dry-run the statements.
    Exit status: 0 everything is as asked for; 2; 3.
    Examples:
        recon init --dry-run
        recon init --unique-index
    """
    from recon.cli.show import init as show_init
    from recon.postgres import setup

    with call.comparing("indexing" if unique_index else "reading"):
        found = setup.init(call.settings, name=call.name, unique_index=unique_index, dry_run=dry_run)
    show_init.init(call, found)
    return found.exit_code
