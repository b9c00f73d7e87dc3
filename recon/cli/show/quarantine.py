"""The answers of `recon quarantine`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from recon.cli.call import Call
from recon.cli.log import visible
from recon.cli.show import columns
from recon.core.suggestions import Suggestion
from recon.core.wording import amount, counted

TOP = 20


def runs(call: Call, found: Sequence[dict[str, Any]]) -> None:
    """The answer of `recon quarantine list`: a line per run."""
    if not found:
        return call.say("the quarantine is empty")
    table = columns.table("run", "when", "rows", "reasons", "dates", "put back")
    for run in found[:TOP]:
        reasons = ", ".join(f"{rows:,} {reason}" for reason, rows in sorted(run["reasons"].items()))
        ends = [day for day in (run["first_date"], run["last_date"]) if day]
        dates = " to ".join(dict.fromkeys(ends)) or "no date"
        back = f"{run['restored']:,}" if run["restored"] else "none"
        back = "all" if run["restored"] == run["rows"] else back
        when = f"{run['quarantined_at'][:19]} UTC"
        table.add_row(run["run_id"], when, f"{run['rows']:,}", reasons, dates, back)
    columns.show(call, table)
    if len(found) > TOP:
        call.say(f"... and {counted(len(found) - TOP, 'older run')} (--json shows all)")
    newest = found[0]["run_id"]
    call.say(f"the rows of a run: '{call.suggest(Suggestion('quarantine', 'list', newest))}'")
    if found[0]["restored"] < found[0]["rows"]:
        way_back = call.suggest(Suggestion("quarantine", "restore", newest, "--dry-run"))
        call.say(f"what putting them back would do: '{way_back}'")


def rows(call: Call, found: Sequence[dict[str, Any]]) -> None:
    """The answer of `recon quarantine list RUN`: each row's values before and after."""
    if not found:
        return call.say("the run has no rows in the quarantine")
    names = ["old BTC", "new BTC"]
    other = any(
        row["new"] and columns.plain(row["new"]["difficulty"]) != columns.plain(row["old"]["difficulty"])
        for row in found
    )
    names += ["old difficulty", "new difficulty"] if other else []
    table = columns.table("key", *names, "reason", "put back by", folded=("key",))
    for row in found[:TOP]:
        key = f"{row['settlement_date']} {row['settlement_period']} {row['farm_id']} {row['miner_model']}"
        old, new = row["old"], row["new"]
        values = [amount(old["bitcoin_mined"]), amount(new["bitcoin_mined"]) if new else "removed"]
        values += [columns.plain(old["difficulty"]), columns.plain(new["difficulty"]) if new else ""] if other else []
        table.add_row(visible(key), *values, row["reason"], row["restored_by"] or "")
    columns.show(call, table)
    if len(found) > TOP:
        call.say(f"... and {counted(len(found) - TOP, 'more row')} (--json shows all, each whole)")


def restored(call: Call, found: Any) -> None:
    """The answer of `recon quarantine restore`; it has `notes`, `results`, `dry_run`, `restored` and `run_id`."""
    for note in found.notes:
        call.say(f"note: {note}")
    for result in found.results:
        if result.error:
            call.say(f"{result.day} left alone: {result.error}")
    if found.dry_run:
        planned, dates = sum(result.missing for result in found.results), counted(len(found.results), "date")
        return call.say(f"dry run: {counted(planned, 'row')} on {dates} would be put back; nothing was changed")
    call.say(f"{counted(found.restored, 'row')} put back" + (f" (run {found.run_id})" if found.run_id else ""))
