"""The answer of `recon export`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recon.cli.call import Call
from recon.cli.log import LOG
from recon.cli.show import columns
from recon.cli.show.status import verdict, warn_invalid
from recon.core.suggestions import UPDATE_DIFFICULTY
from recon.core.wording import counted, which
from recon.export.manifest import totals

if TYPE_CHECKING:
    from recon.export.write import ExportReport


def export(call: Call, report: ExportReport) -> None:
    """The answer of `recon export`: what was written, and what is not in it."""
    warn_invalid(report.status)
    document = report.to_dict()
    if call.json:
        return call.print_json(document)
    table = columns.table("month", "keys", "BTC values", "left out")
    for name, months in [*((month.month, [month]) for month in report.written), ("all", report.written)]:
        sums = totals(months)
        figures = (sums["rows"], sums["exported"], sums["expected"] - sums["exported"])
        table.add_row(name, *(f"{figure:,}" for figure in figures))
    columns.show(call, table)
    for why, values in document["left_out"].items():
        call.say(f"left out: {values:,} {why}")
    if report.blocked:
        LOG.error(
            "%s blocked: no difficulty or no block subsidy is known; run '%s'",
            which(report.blocked),
            UPDATE_DIFFICULTY,
        )
    call.say(f"{counted(len(report.written), 'file')} written to {report.directory}")
    verdict(call, report.status)
