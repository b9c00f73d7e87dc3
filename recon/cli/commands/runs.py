"""`recon runs`."""

from __future__ import annotations

from typing import Annotated

import typer

from recon.cli.call import Call
from recon.cli.common import command
from recon.cli.completion import RUN_ID, run_ids

RunId = Annotated[str | None, typer.Argument(**RUN_ID, autocompletion=run_ids)]


@command(read_only=True)
def runs(call: Call, run_id: RunId = None) -> None:
    """The history of runs, or one run date by date.

    A run is recorded from when it has something to write. One that found nothing to do, had blocked dates only, or
    ended before is not among them: see its log.

    Risks: {reads}
    Output: a line per run, newest first; of one run also a line per date.
    Exit status: 0 the history was shown; 2; 3.
    Examples:
        recon runs
        recon runs 7f3a0c21 --json
    """
    call.begin()
    from recon.cli.show import runs as show_runs
    from recon.reconcile import history

    show_runs.runs(call, history.history(call.job, run_id))
