"""Reports for people, as tables within 80 columns; and for programs, as one JSON document."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from recon import month_calendar
from recon.advice import UPDATE_DIFFICULTY, called
from recon.audit import Tolerance
from recon.cli.call import LOG, Call, counted, program, visible
from recon.errors import ExitCode, ReconError, UsageError
from recon.findings import explain_command, fill_command
from recon.manifest import totals
from recon.pipeline import ValueCheck, Watcher
from recon.report import DATE_FIELDS, DateResult, FixReport, Status, Values, change_rows, percent
from recon.values import Compared

if TYPE_CHECKING:
    from rich import progress
    from rich.table import Table

    from recon.analysis import Analysis
    from recon.daily import DailyReport
    from recon.explanation import Explanation
    from recon.export import ExportReport
    from recon.fingerprints import Cached
    from recon.partitioning import Partitioned
    from recon.planning import PlannedDate
    from recon.setup import InitReport

TOP = 10
LINE_EVERY_S = 30


def _table(*columns: str, folded: Sequence[str] = ()) -> Table:
    """A plain table; every column but the first is a number, flush right. Where it is too wide, `folded` columns take
    several lines.
    """
    from rich.table import Table  # takes as long to load as a small query: not with --json

    table = Table(box=None, pad_edge=False, header_style="bold")
    for number, column in enumerate(columns):
        justify: Literal["left", "right"] = "right" if number else "left"
        table.add_column(column, justify=justify, no_wrap=column not in folded, overflow="fold")
    return table


def status(call: Call, found: Status) -> None:
    """The answer of `recon status`."""
    warn_invalid(found)
    if call.json:
        return call.print_json(found.to_dict(call.command))
    _status_lines(call, found)


def cached(call: Call, kept: Cached) -> None:
    """The answer of `recon status --cached`."""
    warn_invalid(kept.status)
    if call.json:
        return call.print_json(kept.to_dict())
    _status_lines(call, kept.status)
    since = "has not changed since" if kept.current else f"has changed since; '{program()} status' looks again"
    call.say(f"as runs last saw it, at {kept.taken_at} UTC or later; the curtailment {since}")


def value_check(
    call: Call, values: bool, atol: float, rtol: float, workers: int, compared: Compared
) -> ValueCheck | None:
    """How `--values` is to be done; None without it."""
    return ValueCheck(Tolerance(atol, rtol), workers, compared, call.engine) if values else None


@contextmanager
def comparing(call: Call) -> Iterator[Compared]:
    """While keys or values are compared: what it gives is told the dates done. A bar on a terminal, else a line now
    and then.
    """
    started = spoke = time.monotonic()
    dates = of = 0
    bar = _bar(call)
    task = bar.add_task("reading", total=None, written="") if bar else None

    def compared(more: int, total: int) -> None:
        nonlocal dates, of, spoke, started
        if dates == of and of:  # the keys are done, the values begin
            started, dates = time.monotonic(), 0
        dates, of = dates + more, total
        seconds = max(time.monotonic() - started, 0.001)
        done, rate = f"{dates:,}/{total:,} dates compared", f"{dates / seconds:,.0f} dates/s"
        if bar and task is not None:
            bar.update(task, completed=dates, total=total, description=done, written=rate)
        elif time.monotonic() - spoke >= LINE_EVERY_S:
            spoke = time.monotonic()
            call.progress(f"{done}, {rate}, about {seconds * (total / dates - 1):,.0f} s left")

    with bar or nullcontext():
        yield compared


def _bar(call: Call) -> progress.Progress | None:
    """What, how far, how fast, how long still: on stderr, and gone in the end. None where it cannot be drawn."""
    if not call.shows_progress:
        return None
    from rich import progress
    from rich.console import Console

    console = Console(stderr=True)
    if console.is_dumb_terminal:
        return None
    return progress.Progress(
        progress.TextColumn("{task.description}"),
        progress.BarColumn(bar_width=12),
        progress.TextColumn("{task.fields[written]}"),
        progress.TimeRemainingColumn(),
        console=console,
        transient=True,
    )


def consent(call: Call, yes: bool) -> Callable[[int], None]:
    """Asks on a terminal before rows are changed; elsewhere --yes must have been given."""

    def ask(rows: int) -> None:
        if yes:
            return
        what = f"{rows:,} stored rows would be replaced or removed (each is kept in recon.quarantine)"
        if call.json or not sys.stdin.isatty():
            raise UsageError(what, "look at them with --dry-run, then give --yes", code="consent")
        sys.stderr.write(f"{what}. Go on? [y/N] ")
        sys.stderr.flush()
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            raise UsageError("nothing was changed", "look at the rows with --dry-run", code="consent")

    return ask


def value_lines(call: Call, values: Values) -> None:
    """What the stored values are worth: rows per verdict and model, and what wrong ones point to."""
    models = sorted(values.by_model)
    table = _table("verdict", *models)
    for verdict in values.verdicts:
        table.add_row(verdict, *(f"{values.by_model[model].get(verdict, 0):,}" for model in models))
    call.console.print(table)
    if values.whole_dates:
        days = values.whole_dates
        call.say(f"{len(days):,} dates are priced as whole machines, first {days[0]}: right with --fleet whole")
    for row in values.several_difficulties[:TOP]:
        call.say(f"{row['date']} has {row['difficulties']} difficulties in {row['rows']:,} rows")
    if len(values.several_difficulties) > TOP:
        call.say(f"... and {len(values.several_difficulties) - TOP:,} more dates with several (--json shows all)")
    for cause in values.causes[:TOP]:
        where = f"{cause.first} to {cause.last}, {', '.join(cause.models)}"
        call.say(f"{cause.rows:,} rows, {where}, x{cause.ratio:.6g}: {cause.cause}")
    if len(values.causes) > TOP:
        call.say(f"... and {len(values.causes) - TOP} more causes (--json shows all)")


def warn_invalid(found: Status) -> None:
    """One log line when source rows cannot be priced."""
    invalid = int(found.source.get_column("invalid").sum())
    if invalid:
        example = found.source.filter(found.source.get_column("invalid") > 0).row(0, named=True)
        LOG.warning(
            "%s source rows cannot be priced (period outside the day, or no volume), first on %s; "
            "correct them in the source, recon leaves them alone",
            f"{invalid:,}",
            example["settlement_date"],
        )


def _status_lines(call: Call, found: Status) -> None:
    document = found.to_dict()
    dates = document["dates"]
    window = f"{found.window.first or 'the first date'} to {found.window.last or 'the last date'}"
    call.say(f"{window}: {document['curtailment_rows']:,} curtailment rows, {document['keys']:,} keys")
    table = _table("miner model", "expected", "matched", "missing", "%")
    for model, row in found.by_model.items():
        table.add_row(model, *_matched_cells(row))
    table.add_row("all", *_matched_cells(document), style="bold")
    call.console.print(table)
    call.say(
        f"{dates['total']:,} dates: {dates['complete']:,} complete, {dates['partial']:,} partial, "
        f"{dates['empty']:,} empty"
    )
    _month_lines(call, found)
    if found.values:
        value_lines(call, found.values)
    for damage in found.damage or ():
        call.say(f"{damage.problem} file {damage.file}: {damage.detail}")
    if found.left_out:
        why = ", ".join(f"{values:,} {reason}" for reason, values in found.left_out.items())
        call.say(f"left out when these months were exported, so missing here: {why}")
    verdict(call, found)


def _matched_cells(row: dict[str, Any]) -> list[str]:
    """Expected, matched and missing, and the share matched, which nothing has where nothing is expected."""
    share = f"{percent(row['matched'], row['expected']):.2f}" if row["expected"] else "-"
    return [*(f"{row[name]:,}" for name in ("expected", "matched", "missing")), share]


def verdict(call: Call, found: Status) -> None:
    """The one line that says whether the tables agree."""
    if found.reconciled and not found.total("expected"):
        line = "[green]nothing to reconcile[/]: no curtailment to price in this window"
    elif found.reconciled:
        matched, expected = f"{found.total('matched'):,}", f"{found.total('expected'):,}"
        line = f"[green]reconciled[/]: {matched} of {expected}, nothing twice, nothing extra"
    else:
        line = f"[red]not reconciled[/]: {_left(found)}"
    call.console.print(line, markup=True)


def _left(found: Status) -> str:
    """What is not as it should be, counted."""
    left = {name: found.total(name) for name in ("missing", "duplicate", "orphan")}
    wrong = {"wrong": found.values.wrong} if found.values else {}
    damaged = {"damaged files": len(found.damage)} if found.damage else {}
    return ", ".join(f"{count:,} {name}" for name, count in (left | wrong | damaged).items())


def _month_lines(call: Call, found: Status) -> None:
    """A calendar of the window, unless it is of one date."""
    days = month_calendar.days(found)
    if len(days) < 2:
        return
    from recon.cli import month_lines

    table, earlier = month_lines.calendar(month_calendar.months(days))
    call.console.print(table)
    if earlier:
        call.say(f"... and {counted(earlier, 'earlier month')} ('{program()} report' shows all)")
    call.console.print(month_lines.legend())


def analysis(call: Call, found: Analysis) -> None:
    """The answer of `recon analyze`; nothing is cut from the JSON."""
    warn_invalid(found.status)
    if call.json:
        return call.print_json(found.to_dict())
    _status_lines(call, found.status)
    worst_dates(call, found.status)
    if len(found.status.months) > 1:
        months = _table("month", "dates", "missing")
        for row in found.status.months.to_dicts():
            months.add_row(row["month"], f"{row['dates']:,}", f"{row['missing']:,}")
        call.console.print()
        call.console.print(months)
    for finding in found.findings[:TOP]:
        call.say(f"\n{finding.severity}: {finding.code} ({finding.count:,})")
        call.say(f"  {finding.example}\n  -> {finding.advice}")
    if len(found.findings) > TOP:
        call.say(f"... and {len(found.findings) - TOP} more findings (--json shows all)")
    if found.recommendations:
        call.say("\nto do, most useful first:")
    for command, why in found.recommendations[:TOP]:
        call.say(f"  {command}\n      {why}")


def report(call: Call, found: Status, out: Path) -> None:
    """The answer of `recon report`: where the page is."""
    warn_invalid(found)
    if call.json:
        return call.print_json(found.to_dict(call.command) | {"out": str(out)})
    call.say(f"{out}: {counted(found.date_totals['total'], 'date')}, {'' if found.reconciled else 'not '}reconciled")


def worst_dates(call: Call, found: Status) -> None:
    """The top of the incomplete dates, and how many more there are."""
    incomplete = found.incomplete
    if incomplete.is_empty():
        return
    names = DATE_FIELDS if found.values is None else (*DATE_FIELDS, "wrong")
    table = _table("date", *names)
    for row in incomplete.head(TOP).to_dicts():
        table.add_row(str(row["settlement_date"]), *(f"{row[name]:,}" for name in names))
    call.console.print()
    call.console.print(table)
    if incomplete.height > TOP:
        call.say(f"... and {incomplete.height - TOP:,} more incomplete dates (--json shows all)")


def fix(call: Call, report: FixReport) -> None:
    """The answer of every command that writes."""
    warn_invalid(report.after)
    if call.json:
        return call.print_json(report.to_dict())
    document = report.to_dict()
    planned = document["planned"]
    if report.dry_run:
        _planned_table(call, report)
        _change_lines(call, report)
        changes = 0 if report.changes is None else report.changes.height
        also = f", {counted(changes, 'stored row')} replaced or removed" if changes else ""
        rows, dates = counted(planned["rows"], "missing row"), counted(planned["dates"], "date")
        return call.say(f"dry run: {rows} on {dates} would be written{also}; none was")
    if not report.results:
        why = "what --repair names is in order" if report.after.total("missing") else "no row is missing"
        call.say(f"nothing to do: {why}")
    else:
        if report.inserted:
            table = _table("miner model", "BTC written")
            for model, bitcoin in document["btc"].items():
                table.add_row(model, f"{Decimal(bitcoin):,f}")
            call.console.print(table)
        run = f"run {report.run_id}: " if report.run_id else ""
        call.say(
            f"{run}{counted(report.inserted, 'row')} written and verified on "
            f"{counted(report.statuses['done'], 'date')} in {report.seconds:.1f} s"
        )
        if document["replaced"] or document["removed"]:
            call.say(
                f"{document['replaced']:,} wrong rows replaced, {document['removed']:,} surplus rows removed; "
                f"all are in the quarantine ('{program()} quarantine list {report.run_id}')"
            )
    _unfinished_lines(report)
    if report.after.reconciled and report.after.total("expected"):
        call.console.print("[green]reconciled[/]", markup=True)
    else:
        verdict(call, report.after)


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
    table = _table("date", "missing", *(["changes"] if changes else []), "status")
    for result in report.results[:TOP]:
        changed = [f"{changes.get(result.day, 0):,}"] if changes else []
        table.add_row(str(result.day), f"{result.missing:,}", *changed, result.status)
    if report.results:
        call.console.print(table)
    if len(report.results) > TOP:
        call.say(f"... and {len(report.results) - TOP:,} more dates (--json shows all)")


def _change_lines(call: Call, report: FixReport) -> None:
    """The stored rows that a repair would change: how many by reason, and the first of them."""
    if report.changes is None or report.changes.is_empty():
        return
    reasons = _table("reason", "rows")
    for verdict, rows in report.changes.group_by("verdict").len().sort("verdict").iter_rows():
        reasons.add_row(verdict, f"{rows:,}")
    call.console.print(reasons)
    for row in change_rows(report.changes.head(TOP)):
        key = f"{row['date']} {row['settlement_period']} {row['farm_id']} {row['miner_model']}"
        due = "nothing" if row["computed_btc"] is None else f"{_amount(row['computed_btc'])} BTC"
        call.say(f"  {row['action']} {key}: {row['reason']}, {_amount(row['stored_btc'])} BTC stored, {due} expected")
    if report.changes.height > TOP:
        call.say(f"  ... and {report.changes.height - TOP:,} more rows (--json shows all)")


def _amount(btc: float | str) -> str:
    """BTC without an exponent."""
    return f"{btc:.10f}".rstrip("0") if "e-" in str(btc) else str(btc)


def _unfinished_lines(report: FixReport) -> None:
    """Blocked and failed dates: how many, an example, and what to do."""
    resume = called(f"recon resume {report.run_id}" if report.run_id else fill_command(report.after.window), program())
    blocked = report.dates_with("blocked")
    if blocked:
        first = min(blocked, key=lambda result: result.day)
        cause, _, remedy = (first.error or "").partition("; ")
        cause = cause.rsplit(" for ", 1)[0]
        dates = counted(len(blocked), "date")
        LOG.error("%s for %s, first %s; %s and then '%s'", cause, dates, first.day, remedy, resume)
    for day, period, farm, error in report.failed_keys[:TOP]:
        LOG.error("%s settlement period %s, %s: %s", day, period, farm, error)
    failed = report.dates_with("failed")
    if failed:
        dates = counted(len(failed), "date")
        LOG.error("%s failed, first %s: %s; then '%s'", dates, failed[0].day, failed[0].error, resume)


def nothing_to_resume(call: Call) -> int:
    """`recon resume` when every run is finished."""
    if call.json:
        call.print_json({"schema_version": 1, "command": "resume", "run_id": None, "dates": [], "inserted": 0})
    call.say("nothing to resume: every run is finished")
    return ExitCode.OK


def runs(call: Call, history: Sequence[dict[str, Any]], dates: Sequence[DateResult]) -> None:
    """The answer of `recon runs`."""
    if call.json:
        document = {"schema_version": 1, "command": "runs", "runs": [_run_dict(row) for row in history]}
        return call.print_json(document | ({"dates": [d.to_dict() for d in dates]} if dates else {}))
    if not history:
        return call.say("no run yet: a run is recorded from when it has something to write")
    table = _table("run", "command", "status", "dates done", "rows", "started", folded=("command", "started"))
    for row in history[: None if dates else 2 * TOP]:
        done = f"{row['dates_done']:,}/{row['dates']:,}"
        started = row["started_at"][:19]
        table.add_row(row["run_id"], row["command"], row["status"], done, f"{row['inserted']:,}", started)
    call.console.print(table)
    if len(history) > 2 * TOP:
        call.say(f"... and {len(history) - 2 * TOP:,} older runs (--json shows all)")
    if dates:
        _run_dates(call, dates)


def _run_dict(row: dict[str, Any]) -> dict[str, Any]:
    ends = {name: str(row[name]) for name in ("first_date", "last_date")}
    return {**row, **ends}


def _run_dates(call: Call, dates: Sequence[DateResult]) -> None:
    table = _table("date", "status", "missing", "inserted", "attempts", "seconds")
    for d in dates:
        row = (f"{d.missing:,}", f"{d.inserted:,}", str(d.attempts), f"{d.seconds:.2f}")
        table.add_row(str(d.day), d.status, *row)
    call.console.print()
    call.console.print(table)
    for d in dates:
        if d.error:
            call.say(f"{d.day}: {d.error}")


def quarantine(call: Call, rows: Sequence[dict[str, Any]]) -> None:
    """The answer of `recon quarantine list`."""
    if not rows:
        return call.say("the quarantine is empty")
    table = _table("key", "run", "reason", "restored by", folded=("key",))
    for row in rows[:TOP]:
        key = f"{row['settlement_date']} {row['settlement_period']} {row['farm_id']} {row['miner_model']}"
        table.add_row(visible(key), row["run_id"], row["reason"], row["restored_by"] or "")
    call.console.print(table)
    if len(rows) > TOP:
        call.say(f"... and {len(rows) - TOP:,} more rows (--json shows all, each whole)")


def explanation(call: Call, found: Explanation) -> None:
    """The answer of `recon explain`."""
    if call.json:
        return call.print_json(found.to_dict())
    call.say(f"{found.day} settlement period {found.period}, {found.farm}, fleet {found.fleet}")
    for volume, counts in found.source_rows:
        call.say(f"  volume         {volume} MWh" + ("" if counts else "   (cannot be priced)"))
    if found.energy_mwh is None:
        call.say("  no curtailment of this key that can be priced")
        for day, period, farm in found.nearest:
            call.say(f"  a key near by: {called(explain_command(day, period, farm), program())}")
    else:
        call.say(f"  energy         {found.energy_mwh:.10g} MWh = {found.energy_mwh * 3.6e9:.10g} J")
        call.say(f"  difficulty     {_plain(found.difficulty)} (in force at 00:00 UTC)")
        call.say(f"  block subsidy  {found.subsidy_btc} BTC")
    for line in found.models:
        _model_lines(call, line)
    if found.orphans:
        call.say(f"  stored without being asked for: {', '.join(found.orphans)}")


def _plain(value: Decimal | None) -> str:
    """A decimal without trailing zeros or an exponent; 'none known' for none."""
    if value is None:
        return "none known"
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _model_lines(call: Call, line: Any) -> None:
    figures = f"{line.hashrate_ths:g} TH/s at {line.power_w:g} W"
    call.say(f"{line.miner_model}: {figures} = {line.joules_per_hash:.6g} J/hash")
    call.say(f"  hashes         {line.hashes:.10g}")
    if line.expected_blocks is None:
        call.say(f"  blocked        no difficulty for this date; run '{UPDATE_DIFFICULTY}'")
        return
    call.say(f"  blocks         {line.expected_blocks:.10g} expected (difficulty x 2^32 hashes each)")
    call.say(f"  computed       {line.bitcoin_mined:.8f} BTC")
    stored = ", ".join(f"{btc} BTC at difficulty {difficulty}" for btc, difficulty in line.stored) or "nothing"
    call.say(f"  stored         {stored}: {line.verdict}")


def export(call: Call, report: ExportReport) -> None:
    """The answer of `recon export`: what was written, and what is not in it."""
    warn_invalid(report.status)
    document = report.to_dict()
    if call.json:
        return call.print_json(document)
    table = _table("month", "keys", "BTC values", "left out")
    for name, months in [*((month.month, [month]) for month in report.written), ("all", report.written)]:
        sums = totals(months)
        figures = (sums["rows"], sums["exported"], sums["expected"] - sums["exported"])
        table.add_row(name, *(f"{figure:,}" for figure in figures))
    call.console.print(table)
    for why, values in document["left_out"].items():
        call.say(f"left out: {values:,} {why}")
    if report.blocked:
        LOG.error(
            "no difficulty or block subsidy for %s, first %s; run '%s'",
            counted(len(report.blocked), "date"),
            report.blocked[0],
            UPDATE_DIFFICULTY,
        )
    call.say(f"{counted(len(report.written), 'file')} written to {report.directory}")
    verdict(call, report.status)


def init(call: Call, found: InitReport) -> None:
    """The answer of `recon init`."""
    if call.json:
        return call.print_json(found.to_dict())
    if found.dry_run and not found.ledger_existed:
        call.say(found.ledger_ddl)
    else:
        call.say("the ledger (schema recon) " + ("exists" if found.ledger_existed else "was created"))
    if found.index_existed:
        call.say("the unique index exists")
    elif found.index_created:
        call.say("the unique index was created")
    else:
        call.say(
            f"no unique index keeps duplicates out; '{program()} init --unique-index' runs:\n  {found.index_statement};"
        )
        if found.duplicates:
            remedy = f"{program()} fix --repair duplicate --yes"
            call.say(f"{found.duplicates:,} duplicates stand in its way; '{remedy}' removes them")


def partitioned(call: Call, made: Partitioned) -> None:
    """The answer of `recon init --partition-by`: statements that can be run as they are printed."""
    if call.json:
        return call.print_json(made.to_dict())
    for statement in made.statements:
        call.say(f"{statement};")
    call.say(f"-- {made.table} " + ("is partitioned by month" if made.ran else "is as it was: --yes runs these"))


class Progress(Watcher):
    """A bar on a terminal, a line every 30 s elsewhere, and one log line per date."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._bar: Any = None
        self._task: Any = None
        self._dates = self._total = self._retries = 0
        self._work: dict[date, int] = {}
        self._all_work = self._done = self._rows = 0
        self._early: Counter[date] = Counter()
        self._spoke = self._started = time.monotonic()

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def comparing(self) -> AbstractContextManager[Compared]:
        """Before a run is planned."""
        return comparing(self._call)

    def planned(self, run_id: str, dates: Sequence[PlannedDate]) -> None:
        """The run has an id and a size from now on."""
        self._total = len(dates)
        self._work = {date.day: max(date.missing, date.changes) for date in dates}
        self._all_work = sum(self._work.values())
        self._spoke = self._started = time.monotonic()
        rows = counted(sum(date.missing for date in dates), "row")
        LOG.info("run %s: %s missing on %s", run_id, rows, counted(len(dates), "date"))
        self._bar = _bar(self._call)
        if self._bar is not None:
            self._task = self._bar.add_task(f"0/{self._total:,} dates", total=self._all_work, written="")
            self._bar.start()

    def finished(self, result: DateResult) -> None:
        """One date is done, skipped, failed or blocked."""
        fields = result.to_dict() | {"btc": dict(result.btc)}
        line = f"{result.day} {result.status} inserted={result.inserted} attempts={result.attempts}"
        LOG.info(line + (f" error={result.error}" if result.error else ""), extra={"fields": fields})
        early = self._early.pop(result.day, 0)
        self._dates += 1
        self._advance(self._work.get(result.day, 0) - early, result.inserted - early)

    def wrote(self, day: date, rows: int) -> None:
        """Rows of a date that is still being worked on."""
        self._early[day] += rows
        self._advance(rows, rows)

    def retrying(self, dates: Sequence[date], error: ReconError) -> None:
        """Counted, and one log line."""
        self._retries += 1
        LOG.info("trying %s from %s again: %s", counted(len(dates), "date"), min(dates), error)
        self._advance(0, 0)

    def _advance(self, work: int, rows: int) -> None:
        """The bar moves, or it is time for a line: dates, rows, rows/s, time left, retries."""
        self._done += work
        self._rows += rows
        seconds = max(time.monotonic() - self._started, 0.001)
        dates = f"{self._dates:,}/{self._total:,} dates"
        retries = f", {counted(self._retries, 'retry', 'retries')}" if self._retries else ""
        written = f"{self._rows:,} rows, {self._rows / seconds:,.0f} rows/s"
        if self._bar is not None:
            self._bar.update(self._task, completed=self._done, description=dates + retries, written=written)
        elif time.monotonic() - self._spoke >= LINE_EVERY_S:
            self._spoke = time.monotonic()
            left = f", about {seconds * (self._all_work / self._done - 1):,.0f} s left" if self._done else ""
            self._call.progress(f"{dates}, {written}{left}{retries}")
