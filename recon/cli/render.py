"""What was found, for people and for programs: the answers of the commands that only look (and of `init`)."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recon.advice import UPDATE_DIFFICULTY, called
from recon.cli import columns
from recon.cli.call import LOG, Call, program
from recon.findings import explain_command
from recon.manifest import totals
from recon.report import DATE_FIELDS, Status, Values, percent
from recon.wording import counted

if TYPE_CHECKING:
    from recon.analysis import Analysis
    from recon.explanation import Explanation
    from recon.export import ExportReport
    from recon.setup import InitReport

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
    window = f"{found.window.first or 'the first date'} to {found.window.last or 'the last date'}"
    call.say(f"{window}: {document['curtailment_rows']:,} curtailment rows, {document['keys']:,} keys")
    table = columns.table("miner model", "expected", "matched", "missing", "%")
    for model, row in found.by_model.items():
        table.add_row(model, *_matched_cells(row))
    table.add_row("all", *_matched_cells(document), style="bold")
    columns.show(call, table)
    call.say(
        f"{counted(dates['total'], 'date')}: {dates['complete']:,} complete, {dates['partial']:,} partial, "
        f"{dates['empty']:,} empty"
    )
    from recon.cli import month_lines  # brings Rich

    month_lines.show(call, found)
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


def standing(found: Status) -> str:
    """reconciled | not reconciled | nothing to reconcile, where nothing is expected and nothing is there."""
    if not found.reconciled:
        return "not reconciled"
    return "reconciled" if found.total("expected") else "nothing to reconcile"


def _unseen(found: Status) -> str:
    """Which values nobody has compared, as the end of a line."""
    if found.values and found.values.blocked:
        return f"; {found.values.blocked:,} values not compared: no difficulty is known for their dates"
    return "" if found.values_compared else "; values not compared"


def verdict(call: Call, found: Status) -> None:
    """The one line that says whether the tables agree."""
    matched, expected = f"{found.total('matched'):,}", f"{found.total('expected'):,}"
    why = {
        "reconciled": f"{matched} of {expected}, nothing twice, nothing extra{_unseen(found)}",
        "not reconciled": _left(found),
        "nothing to reconcile": "no curtailment to price in this window",
    }
    state, colour = standing(found), "green" if found.reconciled else "red"
    call.console.print(f"[{colour}]{state}[/]: {why[state]}", markup=True)


def _left(found: Status) -> str:
    """What is not as it should be, counted."""
    left = {name: found.total(name) for name in ("missing", "duplicate", "orphan")}
    undated = [f"{found.undated.stored:,} of them without a date"] if found.undated.stored else []
    wrong = [f"{found.values.wrong:,} wrong"] if found.values else []
    damaged = [counted(len(found.damage), "damaged file")] if found.damage else []
    return ", ".join([*(f"{count:,} {name}" for name, count in left.items()), *undated, *wrong, *damaged])


def analysis(call: Call, found: Analysis) -> None:
    """The answer of `recon analyze`; nothing is cut from the JSON."""
    warn_invalid(found.status)
    if call.json:
        return call.print_json(found.to_dict())
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


def explanation(call: Call, found: Explanation) -> None:
    """The answer of `recon explain`."""
    if call.json:
        return call.print_json(found.to_dict())
    call.say(f"{found.day} settlement period {found.period}, {found.farm}, fleet {found.fleet}")
    if found.impossible:
        call.say(f"  {found.impossible}: no row of this key can be priced")
    for volume, counts in found.source_rows:
        call.say(f"  volume         {_short(volume)} MWh" + ("" if counts else "   (cannot be priced)"))
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
        remedy = f"{program()} fix --from {found.day} --to {found.day} --repair orphan --yes"
        call.say(f"  stored without being asked for: {', '.join(found.orphans)}; '{remedy}' removes such rows")


def _short(value: object) -> str:
    """A number as it is stored, unless nobody can read so many digits."""
    text = str(value)
    return text if len(text) <= MOST_DIGITS else f"{text[:MOST_DIGITS]}... ({len(text)} characters)"


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
    stored = (
        ", ".join(f"{_short(btc)} BTC at difficulty {_short(difficulty)}" for btc, difficulty in line.stored)
        or "nothing"
    )
    call.say(f"  stored         {stored}: {line.verdict}")


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
    if found.dry_run and not found.ledger_fits:
        call.say(found.ledger_ddl)
    elif found.ledger_fits:
        call.say("the ledger (schema recon) exists")
    else:
        call.say("the ledger (schema recon) was " + ("upgraded" if found.ledger_existed else "created"))
    if found.invalid_index:
        state = "is dropped first" if found.dry_run else "was dropped"
        call.say(f"the INVALID index {found.invalid_index}, left by an init that was stopped, {state}")
    if found.index_existed:
        call.say("the unique index exists")
    elif found.index_created:
        call.say("the unique index was created")
    else:
        call.say(
            f"no unique index keeps duplicates out; '{program()} init --unique-index' runs:\n  {found.index_statement};"
        )
        if found.duplicates:
            remedy = f"{program()} fix --repair duplicate,orphan --yes"
            call.say(f"{found.duplicates:,} duplicates stand in its way; '{remedy}' removes them")
