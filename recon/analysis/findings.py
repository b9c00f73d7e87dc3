"""Findings: patterns in a status, each with its severity, an example and advice."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import polars as pl

from recon.core.suggestions import RECON, UPDATE_DIFFICULTY, Advice, Program, Suggestion, fix_command
from recon.core.wording import counted, which
from recon.postgres.superfluous_index import SuperfluousIndex
from recon.reconcile.status import Status
from recon.values.tolerance import Tolerance

AGREED = "give --yes instead of --dry-run to do it"
"""How a repair that was shown is done, also where there is no terminal to agree on."""
SEVERITIES = ("error", "warning", "info")


@dataclass(frozen=True)
class Finding:
    """One pattern: a stable code, how severe it is (error | warning | info), how many, one example, what to do.

    dates: every settlement date it is about, in order; empty when it is not about dates.
    """

    code: str
    severity: str
    count: int
    example: str
    advice: Advice
    dates: tuple[date, ...] = ()

    def to_dict(self, program: Program = RECON) -> dict[str, Any]:
        """One entry of `findings`."""
        advice, dates = program.render(self.advice), [day.isoformat() for day in self.dates]
        return {**vars(self), "advice": advice, "dates": dates}


def by_severity(findings: Iterable[Finding]) -> list[Finding]:
    """Errors first, then warnings, then information."""
    return sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity))


def spans(days: Iterable[date]) -> Iterator[tuple[date, date]]:
    """Sorted dates as inclusive ranges of adjacent ones.

    >>> [[d.day for d in span] for span in spans([date(2024, 4, 1), date(2024, 4, 2), date(2024, 4, 9)])]
    [[1, 2], [9, 9]]
    """
    first = last = None
    for day in days:
        if first is None or last is None or day - last > timedelta(days=1):
            if first and last:
                yield first, last
            first = day
        last = day
    if first and last:
        yield first, last


def ranges(numbers: Iterable[int]) -> str:
    """Sorted numbers for people.

    >>> ranges([1, 2, 3, 7, 47, 48])
    '1-3, 7, 47-48'
    """
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1][1:] = [number]
        else:
            runs.append([number])
    return ", ".join("-".join(str(end) for end in run) for run in runs)


def days_of(frame: pl.DataFrame) -> list[date]:
    """The settlement dates of a frame, each once, in order."""
    return frame.get_column("settlement_date").unique().sort().to_list()


def dated(code: str, severity: str, count: int, example: str, days: Sequence[date]) -> Finding:
    """A finding whose remedy is to fill its dates."""
    return Finding(code, severity, count, example, fix_command(days), tuple(days))


def worst_of(dates: pl.DataFrame, column: str) -> dict[str, Any]:
    """The date with the most; the newest among equals."""
    return dates.sort(column, "settlement_date").row(-1, named=True)


def index_finding(statement: str) -> Finding:
    """No unique index: nothing keeps other programs from writing duplicates."""
    return Finding("no_unique_index", "warning", 1, statement, Suggestion("init", "--unique-index"))


def superfluous_finding(indexes: Sequence[SuperfluousIndex]) -> list[Finding]:
    """Indexes to which every row is written for nothing; no finding without one."""
    advice = " ".join(index.drop for index in indexes)
    return [Finding("superfluous_indexes", "info", len(indexes), indexes[0].why, advice)] if indexes else []


def recommendations(
    status: Status, findings: Sequence[Finding], blocked: Sequence[date]
) -> list[tuple[Advice, Advice]]:
    """Commands to run with the reason for each, most useful first: recent dates first, then the rest.

    blocked: the dates with gaps that have no difficulty.
    """
    by_code = {finding.code: finding for finding in findings}
    advice = _fills(status, blocked)
    if blocked:
        what = f"no difficulty is known for {which(blocked)}"
        advice.append((UPDATE_DIFFICULTY, (f"{what}; then '", fix_command(blocked), "' fills them")))
    if "wrong_values" in by_code:
        wrong = by_code["wrong_values"]
        advice.append((wrong.advice, f"shows how {counted(wrong.count, 'wrong row')} would be replaced; {AGREED}"))
    for name in ("duplicate", "orphan"):
        off = days_of(status.dates.filter(pl.col(name) > 0))
        if off:
            why = f"shows which of {counted(status.total(name), f'{name} row')} would go; {AGREED}"
            advice.append((repair_command(status, off, name), why))
    if "no_unique_index" in by_code:
        advice.append((by_code["no_unique_index"].advice, "keeps duplicates out for good"))
    return advice


def _fills(status: Status, blocked: Sequence[date]) -> list[tuple[Advice, Advice]]:
    """The newest date that can be filled, then all of them."""
    missing = status.dates.filter((pl.col("missing") > 0) & ~pl.col("settlement_date").is_in(list(blocked)))
    days = days_of(missing)
    if not days:
        return []
    newest = missing.row(-1, named=True)
    first = fix_command([newest["settlement_date"]])
    advice: list[tuple[Advice, Advice]] = [(first, f"the newest gap: {counted(newest['missing'], 'row')}")]
    if len(days) > 1:
        rows = int(missing.get_column("missing").sum())
        open_window = not (status.window.first or status.window.last)
        whole = Suggestion("fix") if open_window and not blocked else fix_command(days)
        advice.append((whole, f"all {rows:,} missing rows on {len(days):,} dates"))
    return advice


def repair_command(status: Status, days: Sequence[date], what: str) -> Suggestion:
    """The command that shows what a repair of some dates would do: one of duplicate, orphan, wrong."""
    whole = len(days) > 1 and not (status.window.first or status.window.last)
    fill = Suggestion("fix") if whole else fix_command(days)
    return fill.with_words("--repair", what, *_within(status), "--dry-run")


def _within(status: Status) -> list[str]:
    """The options that repeat the tolerance by which values were found wrong, if it was not the usual one."""
    near, usual = status.values.tolerance if status.values else Tolerance(), Tolerance()
    atol = [] if near.atol_btc == usual.atol_btc else ["--atol", repr(near.atol_btc)]
    rtol = [] if near.rtol == usual.rtol else ["--rtol", repr(near.rtol)]
    return atol + rtol
