"""What was found, for people and for programs: the answers of the commands that only look (and of `init`)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from recon.cli.call import Call
from recon.cli.log import LOG, visible
from recon.cli.show import columns
from recon.core.wording import between, counted, which
from recon.reconcile.status import DATE_FIELDS, Status, percent

if TYPE_CHECKING:
    from recon.analysis.analyze import Analysis
    from recon.core.window import Window
    from recon.values.summary import Values


TOP = 10
MOST_DIGITS = 60


def status(call: Call, found: Status) -> None:
    """The answer of `recon status`."""
    warn_invalid(found)
    if call.json:
        return call.print_json(found.to_dict(call.command))
    _status_lines(call, found)


def value_lines(call: Call, values: Values) -> None:
    """What the stored values are worth: rows per verdict and model, and what wrong ones point to."""
    models = sorted(values.by_model)
    table = columns.table("verdict", *models)
    for verdict in values.verdicts:
        table.add_row(verdict, *(f"{values.by_model[model].get(verdict, 0):,}" for model in models))
    columns.show(call, table)
    _cause_lines(call, values)
    if values.whole_dates:
        days = values.whole_dates
        call.say(f"{which(days)} priced as whole machines: right with --fleet whole")
    for row in values.several_difficulties[:TOP]:
        call.say(f"{row['date']} has {row['difficulties']} difficulties in {counted(row['rows'], 'row')}")
    if len(values.several_difficulties) > TOP:
        call.say(f"... and {len(values.several_difficulties) - TOP:,} more dates with several (--json shows all)")
    for cause in values.causes[:TOP]:
        where = f"{between(cause.first, cause.last)}, {', '.join(cause.models)}"
        call.say(f"{counted(cause.rows, 'row')} of {where}, {cause.ratio:.6g} times the right value: {cause.cause}")
    if len(values.causes) > TOP:
        call.say(f"... and {len(values.causes) - TOP} more causes (--json shows all)")


def _cause_lines(call: Call, values: Values) -> None:
    """Why wrong values are wrong: rows per cause and model, and of a restated energy which it was."""
    if not values.wrong_by:
        return
    models = sorted(values.wrong_by_model)
    table = columns.table("why wrong", *models)
    for cause in values.wrong_by:
        table.add_row(cause, *(f"{values.wrong_by_model.get(model, {}).get(cause, 0):,}" for model in models))
    columns.show(call, table)
    if (energy := values.restated) is not None:
        key = f"{energy['settlement_date']} {energy['settlement_period']} {energy['farm_id']}"
        was, now = f"{energy['implied_energy_mwh']:.12g} MWh", f"{energy['energy_mwh']:.12g} MWh"
        call.say(f"wrong_energy: the BTC of {visible(key)} are right for {was}; the curtailment has {now}")


def warn_invalid(found: Status) -> None:
    """One log line when source rows cannot be priced."""
    if found.invalid:
        dated = found.source.filter(found.source.get_column("invalid") > 0).get_column("settlement_date").to_list()
        where = f", first on {min(dated)}" if dated else ""
        LOG.warning(
            "%s source rows cannot be priced (no date, a period outside the day, no farm, or no possible volume)%s; "
            "correct them in the source, recon leaves them alone",
            f"{found.invalid:,}",
            where,
        )


def _status_lines(call: Call, found: Status) -> None:
    document = found.to_dict()
    dates = document["dates"]
    rows, keys = counted(document["curtailment_rows"], "curtailment row"), counted(document["keys"], "key")
    call.say(f"{_window(found.window)}: {rows}, {keys}")
    table = columns.table("miner model", "expected", "matched", "missing", "%")
    for model, row in document["by_model"].items():
        table.add_row(model, *_matched_cells(row))
    table.add_row("all", *_matched_cells(document), style="bold")
    columns.show(call, table)
    call.say(
        f"{counted(dates['total'], 'date')}: {dates['complete']:,} complete, {dates['partial']:,} partial, "
        f"{dates['empty']:,} empty"
    )
    if len(found.dates) > 1:
        from recon.cli.show import calendar  # brings Rich

        calendar.show(call, found)
    if found.values:
        value_lines(call, found.values)
    for remark in found.remarks:
        call.say(remark)
    verdict(call, found)


def _window(window: Window) -> str:
    """The dates looked at, as they were asked for."""
    if window.first and window.last:
        return between(window.first, window.last)
    return f"from {window.first} on" if window.first else f"through {window.last}" if window.last else "all dates"


def _matched_cells(row: dict[str, Any]) -> list[str]:
    """Expected, matched and missing, and the share matched, which nothing has where nothing is expected."""
    share = f"{percent(row['matched'], row['expected']):.2f}" if row["expected"] else "-"
    return [*(f"{row[name]:,}" for name in ("expected", "matched", "missing")), share]


def standing(found: Status) -> str:
    """reconciled | not reconciled | nothing to reconcile, where nothing is expected and nothing is there."""
    if not found.reconciled:
        return "not reconciled"
    return "reconciled" if found.total("expected") else "nothing to reconcile"


def _unseen(found: Status) -> str:
    """Which values nobody has compared, as the end of a line."""
    if found.values and found.values.blocked:
        return f"; {counted(found.values.blocked, 'value')} not compared: no difficulty is known for their dates"
    return "" if found.values_compared else "; values not compared"


def verdict(call: Call, found: Status) -> None:
    """The one line that says whether the tables agree."""
    matched, expected = f"{found.total('matched'):,}", f"{found.total('expected'):,}"
    why = {
        "reconciled": f"{matched} of {expected}, nothing twice, nothing extra{_unseen(found)}",
        "not reconciled": _left(found),
        "nothing to reconcile": "no curtailment to price on these dates",
    }
    state, colour = standing(found), "green" if found.reconciled else "red"
    call.console.print(f"[{colour}]{state}[/]: {why[state]}", markup=True)


def _left(found: Status) -> str:
    """What is not as it should be, counted."""
    left = {name: found.total(name) for name in ("missing", "duplicate", "orphan")}
    undated = [f"{found.undated.stored:,} of them without a date"] if found.undated.stored else []
    wrong = [f"{found.values.wrong:,} wrong"] if found.values else []
    damaged = [counted(found.damaged_files, "damaged file")] if found.damaged_files else []
    return ", ".join([*(f"{count:,} {name}" for name, count in left.items()), *undated, *wrong, *damaged])


def analysis(call: Call, found: Analysis) -> None:
    """The answer of `recon analyze`; nothing is cut from the JSON."""
    warn_invalid(found.status)
    if call.json:
        return call.print_json(found.to_dict(call.program))
    _status_lines(call, found.status)
    worst_dates(call, found.status)
    if len(found.status.months) > 1:
        months = columns.table("month", "dates", "missing")
        for row in found.status.months.to_dicts():
            months.add_row(row["month"], f"{row['dates']:,}", f"{row['missing']:,}")
        call.console.print()
        columns.show(call, months)
    for finding in found.findings[:TOP]:
        call.say(f"\n{finding.severity}: {finding.code} ({finding.count:,})")
        call.say(f"  {finding.example}\n  -> {call.suggest(finding.advice)}")
    if len(found.findings) > TOP:
        call.say(f"... and {len(found.findings) - TOP} more findings (--json shows all)")
    if found.recommendations:
        call.say("\nto do, most useful first:")
    for command, why in found.recommendations[:TOP]:
        call.say(f"  {call.suggest(command)}\n      {call.suggest(why)}")


def report(call: Call, found: Status, out: Path) -> None:
    """The answer of `recon report`: where the page is."""
    warn_invalid(found)
    if call.json:
        return call.print_json(found.to_dict(call.command) | {"out": str(out)})
    seen = _unseen(found) if standing(found) == "reconciled" else ""
    call.say(f"{out}: {counted(found.date_totals['total'], 'date')}, {standing(found)}{seen}")


def worst_dates(call: Call, found: Status) -> None:
    """The top of the incomplete dates, and how many more there are."""
    incomplete = found.incomplete
    if incomplete.is_empty():
        return
    names = DATE_FIELDS if found.values is None else (*DATE_FIELDS, "wrong")
    table = columns.table("date", *names)
    for row in incomplete.head(TOP).to_dicts():
        table.add_row(str(row["settlement_date"]), *(f"{row[name]:,}" for name in names))
    call.console.print()
    columns.show(call, table)
    if incomplete.height > TOP:
        call.say(f"... and {incomplete.height - TOP:,} more incomplete dates (--json shows all)")
