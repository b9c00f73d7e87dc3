"""What runs did and what is left of them, for people and for programs: the answers of the commands that write."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from recon.cli.call import Call
from recon.cli.log import LOG, sum_up
from recon.cli.show import columns
from recon.cli.show.status import TOP, verdict, warn_invalid
from recon.core.errors import ExitCode, document
from recon.core.plan import DateResult
from recon.core.suggestions import Suggestion, fill_command
from recon.core.wording import amount, changed, counted, which
from recon.reconcile.report import FixReport, change_rows
from recon.values.changes import refusal

if TYPE_CHECKING:
    from recon.reconcile.daily import DailyReport
    from recon.reconcile.history import Runs


def fix(call: Call, report: FixReport) -> None:
    """The answer of every command that writes; the log ends with it in one line."""
    answer = report.to_dict(call.program)
    if call.json:
        warn_invalid(report.after)
        call.print_json(answer)
    else:
        summary(call, report)
        call.say_next(report.next_command)
    sum_up(call.given, answer)


def summary(call: Call, report: FixReport) -> None:
    """What a run did and what is left, for people."""
    warn_invalid(report.after)
    if report.dry_run:
        return _planned_lines(call, report)
    if not report.results and not report.undated:
        if not report.after.is_empty:
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


def _planned_lines(call: Call, report: FixReport) -> None:
    """What a run would do."""
    _planned_table(call, report)
    _change_lines(call, report)
    replaced = 0 if report.changes is None else report.changes.height - report.planned_removals
    removed = report.planned_removals + report.undated
    also = f", {changed(0, replaced, removed)}" if replaced or removed else ""
    filled = sum(result.missing > 0 for result in report.results if result.status != "blocked")
    rows, dates = counted(report.planned["rows"], "missing row"), counted(filled, "date")
    if report.refused:
        call.say(changes_refused(report))
    _blocked_line(report, call.suggest(fill_command(report.after.window)))
    call.say(f"dry run: {rows} on {dates} would be written{also}; nothing was written")
    limit = report.request.limit
    if not report.refused and not limit.allows(report.changing, report.after.stored):
        call.say(f"more than --max-changes {limit}: to do it, give --max-changes {report.changing}, too")


def _done_lines(call: Call, report: FixReport) -> None:
    """What a run did."""
    if report.inserted:
        table = columns.table("miner model", "BTC written")
        for model, bitcoin in report.btc.items():
            table.add_row(model, f"{bitcoin:,.8f}")
        columns.show(call, table)
    run = f"run {report.run_id}: " if report.run_id else ""
    rows = changed(report.filled, report.replaced, report.removed)
    call.say(f"{run}{rows} and verified on {counted(report.statuses['done'], 'date')} in {report.seconds:.1f} s")
    if report.replaced or report.removed:
        kept = call.suggest(Suggestion("quarantine", "list", report.run_id))
        call.say(f"what was replaced or removed is in the quarantine ('{kept}')")


def daily(call: Call, found: DailyReport) -> None:
    """The answer of `recon daily`: one line per date, what `fix` says, and whether anything is still coming in."""
    for warning in found.warnings:
        LOG.warning(warning)
    if call.json:
        warn_invalid(found.report.after)
        return call.print_json(found.to_dict(call.program))
    for day, outcome in found.outcomes.items():
        call.say(f"{day} {outcome}")
    summary(call, found.report)
    _feed_line(call, found)
    call.say_next(found.report.next_command)


def _feed_line(call: Call, found: DailyReport) -> None:
    """The newest curtailment; where it is too old, since when, and what to do."""
    newest, whole = found.newest_curtailment, found.report.after.newest_curtailment
    later = f" (dated later, through {whole}: not counted)" if whole and whole != newest else ""
    if not found.no_curtailment:
        return call.say(f"newest curtailment: {newest}{later}" if newest else f"no curtailment{later}")
    since, then = "none until", ""
    if newest:
        since = f"none since {newest}, {counted((found.today - newest).days, 'day')} before"
        then = f"; to check as of another day: '{call.suggest(Suggestion('daily', '--today', newest))}'"
    call.console.print("[red]no_curtailment[/]: ", end="", markup=True)
    call.say(f"{since} {found.today}{later}; see whether the feed has stopped{then}")


def _planned_table(call: Call, report: FixReport) -> None:
    changes = report.changes_per_date
    table = columns.table("date", "missing", *(["changes"] if changes else []), "status")
    for result in report.results[:TOP]:
        also = [f"{changes.get(result.day, 0):,}"] if changes else []
        table.add_row(str(result.day), f"{result.missing:,}", *also, result.status)
    if report.results:
        columns.show(call, table)
    if len(report.results) > TOP:
        call.say(f"... and {counted(len(report.results) - TOP, 'more date')} (--json shows all)")


def _change_lines(call: Call, report: FixReport) -> None:
    """The stored rows that a repair would change: how many by reason, and the first of them."""
    if report.changes is None or report.changes.is_empty():
        return
    reasons = columns.table("reason", "rows")
    for reason, rows in report.change_reasons.items():
        reasons.add_row(reason, f"{rows:,}")
    columns.show(call, reasons)
    for row in change_rows(report.changes.head(TOP)):
        key = f"{row['date']} {row['settlement_period']} {row['farm_id']} {row['miner_model']}"
        due = "nothing" if row["computed_btc"] is None else f"{amount(row['computed_btc'])} BTC"
        why = row["cause"] or row["reason"]
        call.say(f"  {row['action']} {key}: {why}, {amount(row['stored_btc'])} BTC stored, {due} expected")
    if report.changes.height > TOP:
        call.say(f"  ... and {counted(report.changes.height - TOP, 'more row')} (--json shows all)")


def changes_refused(report: FixReport) -> str:
    """That the removals of a dry run would be refused, and why."""
    return "; ".join(refusal(report.refused, report.planned_removals))


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
    rows = ("written", "replaced", "removed")
    table = columns.table("run", "command", "status", "dates done", *rows, "started", folded=("command", "started"))
    for row in history[: None if dates else 2 * TOP]:
        done = f"{row['dates_done']:,}/{row['dates']:,}"
        started = f"{row['started_at'][:19]} UTC"
        figures = (f"{row['inserted'] - row['replaced']:,}", f"{row['replaced']:,}", f"{row['removed']:,}")
        table.add_row(row["run_id"], row["command"], row["status"], done, *figures, started)
    columns.show(call, table)
    if len(history) > 2 * TOP:
        call.say(f"... and {len(history) - 2 * TOP:,} older runs (--json shows all)")
    if dates:
        _run_dates(call, dates)


def _run_dates(call: Call, dates: Sequence[DateResult]) -> None:
    table = columns.table("date", "status", "planned", "written", "replaced", "removed", "attempts", "seconds")
    for d in dates:
        rows = (f"{count:,}" for count in (d.missing, d.filled, d.replaced, d.removed))
        table.add_row(str(d.day), d.status, *rows, str(d.attempts), f"{d.seconds:.2f}")
    call.console.print()
    columns.show(call, table)
    for d in dates:
        if d.error:
            call.say(f"{d.day}: {d.error}")
