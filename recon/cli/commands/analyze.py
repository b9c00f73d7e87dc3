"""`recon analyze`."""

from __future__ import annotations

from typing import Annotated

import typer

from recon.cli.call import Call, program
from recon.cli.common import with_common
from recon.cli.options import Deep, FirstDate, LastDate, ValueOptions
from recon.core.window import Window

DEFAULT_MAX_FARM_MW = 1500.0
MaxFarm = Annotated[
    float, typer.Option("--max-farm-mw", help="Report keys with more energy than this power makes in half an hour.")
]


@with_common(read_only=True, engine=True, compares=True)
def analyze(
    call: Call,
    compare: ValueOptions,
    first: FirstDate = None,
    last: LastDate = None,
    deep: Deep = False,
    max_farm_mw: MaxFarm = DEFAULT_MAX_FARM_MW,
) -> int:
    """Status, every incomplete date, patterns, what to run.

    Risks: {reads}
    Output: what status prints, every incomplete date, months, findings with advice, and commands to run, most useful
        first.
    Exit status: 0 reconciled; 1 differences found; 2; 3.
    Examples:
        recon analyze
        recon analyze --from 2024-04-20 --json
    """
    window = Window.parse(first, last)
    from recon.analysis import analyze as story
    from recon.cli.show import progress
    from recon.cli.show import status as show_status

    with progress.comparing(call) as compared:
        check = compare.check(call, compared)
        options = story.AnalysisOptions(deep, max_farm_mw, check, compared, program())
        found = story.analyze(call.job, window, options)
    show_status.analysis(call, found)
    return found.exit_code
