"""`recon resume`."""

from __future__ import annotations

from typing import Annotated

import typer

from recon.cli.call import Call
from recon.cli.commands.runs import _RUN_ID
from recon.cli.common import with_common
from recon.cli.completion import unfinished_run_ids
from recon.cli.options import Yes
from recon.core.settings import ChangeLimit

LimitOfRun = Annotated[
    str | None,
    typer.Option(
        "--max-changes",
        metavar="N|P%",
        help="How many stored rows the run may change in all (else as it began, up to 10%).",
    ),
]
UnfinishedRunId = Annotated[str | None, typer.Argument(**_RUN_ID, autocompletion=unfinished_run_ids)]


@with_common(engine=True)
def resume(call: Call, run_id: UnfinishedRunId = None, yes: Yes = False, max_changes: LimitOfRun = None) -> int:
    """Go on with an unfinished run, as it was planned.

    The newest one, unless another is named; its stored plan and parameters count, on the tables that are named now.

    Risks: those of the command that began the run. Where it repairs, that is said, and --yes is needed anew.
    Output: {filled}
    Exit status: 0 done and reconciled, or nothing to resume; 1; 2; 3; 4.
    Examples:
        recon resume
        recon resume 7f3a0c21
        recon resume 7f3a0c21 --max-changes 500 --yes
    """
    limit = None if max_changes is None else ChangeLimit.parse(max_changes)
    from recon.cli.show import progress
    from recon.cli.show import runs as show_runs
    from recon.cli.show.consent import consent
    from recon.cli.show.runs import nothing_to_resume
    from recon.reconcile import resume as reconcile_resume

    agreed = consent(call, yes, "the run repairs, too: ")
    with progress.Progress(call) as watcher:
        report = reconcile_resume.resume(
            call.settings,
            call.reference,
            run_id,
            watcher=watcher,
            engine=call.engine,
            confirm=agreed,
            limit=limit,
        )
    if report is None:
        return nothing_to_resume(call)
    show_runs.fix(call, report)
    return report.exit_code
