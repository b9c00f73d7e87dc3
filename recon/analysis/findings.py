"""Findings: patterns in a status, each with its severity, an example and advice."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import polars as pl

from recon.core.suggestions import RECON, Advice, Program, Suggestion, fix_command
from recon.core.wording import counted, which
from recon.postgres.superfluous_index import SuperfluousIndex
from recon.reconcile.status import Status

SHOWN = "it ends with the command that does it"
"""How a repair that was shown is done."""
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

    @property
    def by_hand(self) -> Advice | None:
        """The advice, unless it is a command alone: what that does is done by the recommended ones."""
        return None if isinstance(self.advice, Suggestion) else self.advice

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


def recommendations(status: Status, findings: Sequence[Finding]) -> list[tuple[Advice, Advice]]:
    """Commands to run with the reason for each, in the order to run them; none does a part of what another does."""
    advice: list[tuple[Advice, Advice]] = []
    command = status.next_command()
    if status.repairs and command:
        advice.append((command, _repairing(status)))
    waiting = [day for day in days_of(status.incomplete) if status.blocked.get(day)]
    for update in status.unblocking:
        what = f"no difficulty is known for {which(waiting)}" if waiting else "some values have no known difficulty"
        advice.append((update, (f"{what}; then '", fix_command(waiting), "' fills them") if waiting else what))
    index = [finding.advice for finding in findings if finding.code == "no_unique_index"]
    return advice + [(command, "keeps duplicates out for good") for command in index]


def _repairing(status: Status) -> str:
    """What the one command that repairs does, or shows."""
    rows = status.to_repair
    missing = counted(rows.pop("missing"), "missing row")
    days = [day for day in days_of(status.dates.filter(pl.col("missing") > 0)) if day not in status.blocked]
    where = f" of {days[0]}" if len(days) == 1 else f" on {counted(len(days), 'date')}"
    written = [f"{missing}{where} written"] if days else []
    if status.repairs == ["missing"]:
        return f"writes {missing}{where}"
    changed = [
        f"{counted(count, f'{name} row')} {'replaced' if name == 'wrong' else 'removed'}"
        for name, count in rows.items()
        if count
    ]
    return f"shows what would be done: {', '.join([*written, *changed])}; {SHOWN}"


def repairing(status: Status, days: Sequence[date], name: str) -> Suggestion:
    """The command that shows what the repair of some dates would do. name: wrong, duplicate or orphan."""
    whole = len(days) > 1 and not (status.window.first or status.window.last)
    fill = Suggestion("fix") if whole else fix_command(days)
    near = status.values.tolerance.options if status.values else []
    return fill.with_words("--repair", name, *near, "--dry-run")
