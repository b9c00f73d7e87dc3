"""What runs did and what is left of them, for people and for programs: the answers of the commands that write."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from recon.cli.call import Call
from recon.cli.log import LOG, visible
from recon.cli.show import columns
from recon.cli.show.status import TOP, verdict, warn_invalid
from recon.core.errors import ExitCode, document
from recon.core.plan import DateResult
from recon.core.suggestions import Suggestion, fill_command
from recon.core.wording import counted, which
from recon.reconcile.report import FixReport, change_rows
from recon.values.changes import refusal

if TYPE_CHECKING:
    from recon.core.settings import ChangeLimit
    from recon.reconcile.daily import DailyReport
    from recon.reconcile.history import Runs


def fix(call: Call, report: FixReport) -> None:
    """The answer of every command that writes."""
    warn_invalid(report.after)
    if call.json:
        return call.print_json(report.to_dict())
    if report.dry_run:
        return _planned_lines(call, report)
    if not report.results and not report.undated:
        why = "what --repair names is in order" if report.after.total("missing") else "no row is missing"
        call.say(f"nothing to do: {why}")
    else:
        _done_lines(call, report)
    _unfinished_lines(call, report)
    if report.undone and report.after.reconciled:
        dates = counted(len(report.undone), "date")
        call.console.print(f"[red]not reconciled[/]: {dates} failed or left, see above", markup=True)
    else:
        verdict(call, report.after)


def over_limit(call: Call, report: FixReport, limit: ChangeLimit) -> None:
    """After a dry run: which limit what is planned needs, if it is more than this one."""
    if report.changes is not None and not limit.allows(report.changes.height, report.after.stored):
        call.say(f"more than --max-changes {limit}: to do it, give --max-changes {report.changes.height}, too")


def _planned_lines(call: Call, report: FixReport) -> None:
    """What a run would do."""
    _planned_table(call, report)
    _change_lines(call, report)
    changes = (0 if report.changes is None else report.changes.height) + report.undated
    also = f", {counted(changes, 'stored row')} replaced or removed" if changes else ""
    filled = sum(result.missing > 0 for result in report.results if result.status != "blocked")
    rows, dates = counted(report.to_dict()["planned"]["rows"], "missing row"), counted(filled, "date")
    if report.refused:
        call.say(changes_refused(report))
    _blocked_line(report, call.suggest(fill_command(report.after.window)))
    call.say(f"dry run: {rows} on {dates} would be written{also}; nothing was written")


def _done_lines(call: Call, report: FixReport) -> None:
    """What a run did."""
    counts = report.to_dict()
    if report.inserted:
        table = columns.table("miner model", "BTC written")
        for model, bitcoin in counts["btc"].items():
            table.add_row(model, f"{Decimal(bitcoin):,f}")
        columns.show(call, table)
    run = f"run {report.run_id}: " if report.run_id else ""
    rows, dates = counted(report.inserted, "row"), counted(report.statuses["done"], "date")
    call.say(f"{run}{rows} written and verified on {dates} in {report.seconds:.1f} s")
    if counts["replaced"] or counts["removed"]:
        kept = call.suggest(Suggestion("quarantine", "list", report.run_id))
        replaced, removed = counted(counts["replaced"], "wrong row"), counted(counts["removed"], "surplus row")
        call.say(f"{replaced} replaced, {removed} removed; all are in the quarantine ('{kept}')")


def daily(call: Call, found: DailyReport) -> None:
    """The answer of `recon daily`: one line per date, then what `fix` says."""
    for warning in found.warnings:
        LOG.warning(warning)
    for day, outcome in found.outcomes.items():
        call.say(f"{day} {outcome}")
    if call.json:
        warn_invalid(found.report.after)
        return call.print_json(found.to_dict())
    fix(call, found.report)


def _planned_table(call: Call, report: FixReport) -> None:
    changes = report.changes_per_date
    table = columns.table("date", "missing", *(["changes"] if changes else []), "status")
    for result in report.results[:TOP]:
        changed = [f"{changes.get(result.day, 0):,}"] if changes else []
        table.add_row(str(result.day), f"{result.missing:,}", *changed, result.status)
    if report.results:
        columns.show(call, table)
    if len(report.results) > TOP:
        call.say(f"... and {len(report.results) - TOP:,} more dates (--json shows all)")


def _change_lines(call: Call, report: FixReport) -> None:
    """The stored rows that a repair would change: how many by reason, and the first of them."""
    if report.changes is None or report.changes.is_empty():
        return
    reasons = columns.table("reason", "rows")
    for reason, rows in report.changes.group_by("verdict").len().sort("verdict").iter_rows():
        reasons.add_row(reason, f"{rows:,}")
    columns.show(call, reasons)
    for row in change_rows(report.changes.head(TOP)):
        key = f"{row['date']} {row['settlement_period']} {row['farm_id']} {row['miner_model']}"
        due = "nothing" if row["computed_btc"] is None else f"{_amount(row['computed_btc'])} BTC"
        call.say(f"  {row['action']} {key}: {row['reason']}, {_amount(row['stored_btc'])} BTC stored, {due} expected")
    if report.changes.height > TOP:
        call.say(f"  ... and {report.changes.height - TOP:,} more rows (--json shows all)")


def changes_refused(report: FixReport) -> str:
    """That the removals of a dry run would be refused, and why."""
    assert report.changes is not None
    removed = report.changes.filter(report.changes.get_column("action") == "remove").height
    return "; ".join(refusal(report.refused, removed))


def _amount(btc: float | str) -> str:
    """BTC without an exponent."""
    return f"{btc:.10f}".rstrip("0") if "e-" in str(btc) else str(btc)


def _blocked_line(report: FixReport, then: str) -> None:
    """How many dates are blocked, why, and what to do."""
    blocked = report.dates_with("blocked")
    if not blocked:
        return
    why, are = str(min(blocked, key=lambda result: result.day).error), "is"
    if len(blocked) > 1:
        why, are = why.replace("this date", "these dates"), "are"
    LOG.error("%s %s blocked: %s, then '%s'", which([result.day for result in blocked]), are, why, then)


def _unfinished_lines(call: Call, report: FixReport) -> None:
    """Blocked and failed dates: how many, an example, and what to do."""
    again = Suggestion("resume", report.run_id) if report.run_id else fill_command(report.after.window)
    resume = call.suggest(again)
    _blocked_line(report, resume)
    for day, period, farm, error in report.failed_keys[:TOP]:
        LOG.error("%s settlement period %s, %s: %s", day, period, farm, error)
    left = [result for result in report.dates_with("pending") if result.error]
    if left:
        why = call.suggest(str(left[0].error))
        LOG.error("%s left alone: %s", which([result.day for result in left]), why)
    if report.undated_error:
        LOG.error("rows without a settlement date were not removed: %s", report.undated_error)
    failed = report.dates_with("failed")
    if failed:
        first = min(failed, key=lambda result: result.day)
        LOG.error("%s failed: %s", which([result.day for result in failed]), _then(str(first.error), resume))


def _then(error: str, resume: str) -> str:
    """An error with what to run after it: this run's command in the place of that for any run, which many have."""
    any_run = f"'{Suggestion('resume')}'"
    return error.replace(any_run, f"'{resume}'") if any_run in error else f"{error}; then run '{resume}'"


def nothing_to_resume(call: Call) -> int:
    """`recon resume` when every run is finished."""
    if call.json:
        call.print_json(document("resume", run_id=None, dates=[], inserted=0))
    call.say("nothing to resume: every run is finished")
    return ExitCode.OK


def runs(call: Call, found: Runs) -> None:
    """The answer of `recon runs`."""
    if call.json:
        return call.print_json(found.to_dict())
    history, dates = found.runs, found.dates
    if not history:
        return call.say(found.sentence)
    table = columns.table("run", "command", "status", "dates done", "rows", "started", folded=("command", "started"))
    for row in history[: None if dates else 2 * TOP]:
        done = f"{row['dates_done']:,}/{row['dates']:,}"
        started = row["started_at"][:19]
        table.add_row(row["run_id"], row["command"], row["status"], done, f"{row['inserted']:,}", started)
    columns.show(call, table)
    if len(history) > 2 * TOP:
        call.say(f"... and {len(history) - 2 * TOP:,} older runs (--json shows all)")
    if dates:
        _run_dates(call, dates)


def _run_dates(call: Call, dates: Sequence[DateResult]) -> None:
    table = columns.table("date", "status", "missing", "inserted", "attempts", "seconds")
    for d in dates:
        row = (f"{d.missing:,}", f"{d.inserted:,}", str(d.attempts), f"{d.seconds:.2f}")
        table.add_row(str(d.day), d.status, *row)
    call.console.print()
    columns.show(call, table)
    for d in dates:
        if d.error:
            call.say(f"{d.day}: {d.error}")


def quarantine(call: Call, rows: Sequence[dict[str, Any]]) -> None:
    """The answer of `recon quarantine list`."""
    if not rows:
        return call.say("the quarantine is empty")
    table = columns.table("key", "run", "reason", "restored by", folded=("key",))
    for row in rows[:TOP]:
        key = f"{row['settlement_date']} {row['settlement_period']} {row['farm_id']} {row['miner_model']}"
        table.add_row(visible(key), row["run_id"], row["reason"], row["restored_by"] or "")
    columns.show(call, table)
    if len(rows) > TOP:
        call.say(f"... and {len(rows) - TOP:,} more rows (--json shows all, each whole)")
