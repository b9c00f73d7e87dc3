"""`recon resume`."""

from __future__ import annotations

from typing import Annotated

import typer

from recon.cli.call import Call
from recon.cli.common import command
from recon.cli.completion import RUN_ID, unfinished_run_ids
from recon.cli.options import Yes
from recon.core.settings import ChangeLimit

LimitOfRun = Annotated[
    str | None,
    typer.Option(
        "--max-changes",
        metavar="N|P%",
        help="How many stored rows the run may change in all (as it began, at most 10%).",
    ),
]
UnfinishedRunId = Annotated[str | None, typer.Argument(**RUN_ID, autocompletion=unfinished_run_ids)]


@command(engine=True)
def resume(call: Call, run_id: UnfinishedRunId = None, yes: Yes = False, max_changes: LimitOfRun = None) -> int:
    """Go on with an unfinished run, as it was planned.

    Without RUN_ID the newest one. Its plan and options are those it began with; the tables are those named now.

    Risks: those of the command that began the run. Where it repairs, that is said, and --yes is needed anew.
    Output: {filled}
    Exit status: 0 done and reconciled, or nothing to resume; 1; 2; 3; 4.
    Examples:
        recon resume
        recon resume 7f3a0c21
        recon resume 7f3a0c21 --max-changes 500 --yes
    """
    limit = None if max_changes is None else ChangeLimit.parse(max_changes)
    from recon.cli.show import runs
    from recon.reconcile import resume as reconcile_resume

    with call.watching() as watcher:
        report = reconcile_resume.resume(
            call.job,
            run_id,
            watcher=watcher,
            engine=call.engine,
            confirm=call.consent(yes, "the run repairs, too: "),
            limit=limit,
        )
    if report is None:
        return runs.nothing_to_resume(call)
    runs.fix(call, report)
    return report.exit_code
