"""What was found, for people and for programs: the answers of the commands that only look (and of `init`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recon.cli.call import Call
from recon.cli.log import LOG, visible
from recon.cli.show import columns
from recon.core.wording import between, counted, which, window
from recon.reconcile.status import DATE_FIELDS, Status, percent

if TYPE_CHECKING:
    from recon.analysis.analyze import Analysis
    from recon.analysis.page.file import Report
    from recon.values.summary import Values

TOP = 10


def status(call: Call, found: Status) -> None:
    """The answer of `recon status`."""
    if call.json:
        warn_invalid(found)
        return call.print_json(found.to_dict(call.command, call.program))
    summary(call, found)
    call.say_next(found.next_command())


def summary(call: Call, found: Status) -> None:
    """How far the tables agree, for people."""
    warn_invalid(found)
    _status_lines(call, found)


def value_lines(call: Call, values: Values) -> None:
    """What the stored values are worth: rows per verdict and model, and what wrong ones point to."""
    models = list(values.by_model)
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
        more = counted(len(values.several_difficulties) - TOP, "more date")
        call.say(f"... and {more} with several (--json shows all)")
    for cause in values.causes[:TOP]:
        where = f"{between(cause.first, cause.last)}, {', '.join(cause.models)}"
        call.say(f"{counted(cause.rows, 'row')} of {where}, {cause.ratio:.6g} times the right value: {cause.cause}")
    if len(values.causes) > TOP:
        call.say(f"... and {counted(len(values.causes) - TOP, 'more cause')} (--json shows all)")


def _cause_lines(call: Call, values: Values) -> None:
    """Why wrong values are wrong: rows per cause and model, and of a restated energy which it was."""
    if not values.wrong_by:
        return
    models = list(values.wrong_by_model)
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
            "%s cannot be priced (no date, a period outside the day, no farm, or no possible volume)%s; "
            "correct the source, which recon leaves alone",
            counted(found.invalid, "source row"),
            where,
        )


def _status_lines(call: Call, found: Status) -> bool:
    """The status; whether the missing rows of each month were among it."""
    document = found.to_dict()
    dates = document["dates"]
    rows, keys = counted(document["curtailment_rows"], "curtailment row"), counted(document["keys"], "key")
    call.say(f"{window(found.looked_at.first, found.looked_at.last)}: {rows}, {keys}\n{_newest(found)}")
    table = columns.table("miner model", "expected", "matched", "missing", "%")
    for model, row in document["by_model"].items():
        table.add_row(model, *_matched_cells(row))
    table.add_row("all", *_matched_cells(document), style="bold")
    columns.show(call, table)
    call.say(
        f"{counted(dates['total'], 'date')}: {dates['complete']:,} complete, {dates['partial']:,} partial, "
        f"{dates['empty']:,} empty"
    )
    by_month = False
    if len(found.dates) > 1:
        from recon.cli.show import calendar  # brings Rich

        by_month = calendar.show(call, found)
    if found.values:
        value_lines(call, found.values)
    for remark in found.remarks:
        call.say(remark)
    verdict(call, found)
    return by_month


def _newest(found: Status) -> str:
    """The newest settlement date of the whole curtailment."""
    newest = found.newest_curtailment
    return f"newest curtailment {newest}" if newest else "no curtailment at all"


def _matched_cells(row: dict[str, Any]) -> list[str]:
    """Expected, matched and missing, and the share matched, which nothing has where nothing is expected."""
    share = f"{percent(row['matched'], row['expected']):.2f}" if row["expected"] else "-"
    return [*(f"{row[name]:,}" for name in ("expected", "matched", "missing")), share]


def verdict(call: Call, found: Status) -> None:
    """The one line that says whether the tables agree."""
    colour = ("yellow" if found.is_empty else "green") if found.reconciled else "red"
    call.console.print(f"[{colour}]{found.standing}[/]: {found.why}", markup=True)


def analysis(call: Call, found: Analysis) -> None:
    """The answer of `recon analyze`; nothing is cut from the JSON."""
    warn_invalid(found.status)
    if call.json:
        return call.print_json(found.to_dict(call.program))
    by_month = _status_lines(call, found.status)
    worst_dates(call, found.status)
    if len(found.status.months) > 1 and not by_month:
        months = columns.table("month", "dates", "missing")
        for row in found.status.months.to_dicts():
            months.add_row(row["month"], f"{row['dates']:,}", f"{row['missing']:,}")
        call.console.print()
        columns.show(call, months)
    for finding in found.findings[:TOP]:
        call.say(f"\n{finding.severity}: {finding.code} ({finding.count:,})")
        call.say(f"  {finding.example}")
        if finding.by_hand:
            call.say(f"  -> {call.suggest(finding.by_hand)}")
    if len(found.findings) > TOP:
        call.say(f"... and {counted(len(found.findings) - TOP, 'more finding')} (--json shows all)")
    if found.recommendations:
        call.say("\nto do, in this order:")
    for command, why in found.recommendations[:TOP]:
        call.say(f"  {call.suggest(command)}\n      {call.suggest(why)}")


def report(call: Call, found: Report) -> None:
    """The answer of `recon report`: where the page is."""
    warn_invalid(found.status)
    if call.json:
        return call.print_json(found.to_dict())
    call.say(found.sentence)
    call.say(_newest(found.status))


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
        call.say(f"... and {counted(incomplete.height - TOP, 'more incomplete date')} (--json shows all)")
