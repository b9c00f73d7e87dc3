"""`recon analyze`."""

from __future__ import annotations

from recon.cli.call import Call
from recon.cli.common import command
from recon.cli.options import Deep, MaxFarm, ValueOptions, WindowOptions
from recon.core.settings import MAX_FARM_MW


@command(read_only=True, engine=True)
def analyze(
    call: Call,
    when: WindowOptions,
    deep: Deep = False,
    max_farm_mw: MaxFarm = MAX_FARM_MW,
    *,
    compare: ValueOptions,
) -> int:
    """Status, every incomplete date, patterns, and what to do next.

    Risks: {reads}
    Output: what status prints, every incomplete date, months, findings with advice, and commands to run, in their
        order.
    Exit status: 0 reconciled; 1 differences found; 2; 3.
    Examples:
        recon analyze
        recon analyze --from 2024-04-20 --json
    """
    window = when.window
    call.begin()
    from recon.analysis import analyze as analysis_analyze
    from recon.cli.show import status

    with call.comparing() as compared:
        check = compare.check(call.engine, compared, deep=deep)
        options = analysis_analyze.AnalysisOptions(deep, max_farm_mw, check if compare.values else None, compared)
        found = analysis_analyze.analyze(call.job, window, options)
    status.analysis(call, found)
    return found.exit_code
