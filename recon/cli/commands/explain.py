"""`recon explain`."""

from __future__ import annotations

from recon.cli.call import Call
from recon.cli.common import command
from recon.cli.options import Day, Farm, Period
from recon.core.window import parse_date


@command(read_only=True)
def explain(call: Call, day: Day, period: Period, farm: Farm) -> int:
    """How the BTC of one row are calculated, and what is stored.

    Risks: {reads}
    Output: energy, difficulty and subsidy of the key, and per miner model each step with its unit, what is stored,
        and whether it agrees. Of a period that the day has not, only the rows that stand there.
    Exit status: 0 the stored rows agree; 1 they are missing or differ; 2; 3; 4 no difficulty is known for the date.
    Examples:
        recon explain 2024-04-20 24 T_VKNGW-1
    """
    parsed = parse_date(day)
    from recon.cli.show.explanation import explanation
    from recon.values.explanation import explain as explain_key

    found = explain_key(call.settings, call.reference, parsed, period, farm, name=call.name)
    explanation(call, found)
    return found.exit_code
