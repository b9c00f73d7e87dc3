"""What is shown while something long goes on: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from recon.cli.log import LOG
from recon.cli.show.waiting import LINE_EVERY_S, every
from recon.core.errors import ReconError
from recon.core.wording import counted
from recon.reconcile.watcher import Compared, Watcher

if TYPE_CHECKING:
    from rich import progress

    from recon.core.plan import DateResult, PlannedDate


@contextmanager
def comparing(say: Callable[[str], None], doing: str = "reading", *, drawn: bool) -> Iterator[Compared]:
    """While keys or values are compared, or `doing` takes its time: what it gives is told the dates done. A bar where
    it can be `drawn`, else `say` is called now and then.
    """
    step = _Step(doing, time.monotonic())
    bar = _bar(drawn)
    task = bar.add_task(doing, total=None, written="") if bar else None

    def compared(more: int, total: int) -> None:
        step.compared(more, total)
        if bar and task is not None:
            bar.update(task, completed=step.dates, total=total, description=step.done, written=step.rate)

    with bar or every(LINE_EVERY_S, lambda: say(step.line)):
        yield compared


@dataclass
class _Step:
    """How far a long step is: dates compared, once somebody tells; of one single statement only the time is known."""

    doing: str
    started: float
    dates: int = 0
    of: int = 0

    def compared(self, more: int, of: int) -> None:
        """Some more dates, of all."""
        if self.dates == self.of and self.of:  # the keys are done, the values begin
            self.started, self.dates = time.monotonic(), 0
        self.dates, self.of = self.dates + more, of

    @property
    def done(self) -> str:
        """How far."""
        return f"{self.dates:,}/{self.of:,} dates compared"

    @property
    def rate(self) -> str:
        """How fast."""
        return f"{self.dates / self._seconds:,.0f} dates/s"

    @property
    def line(self) -> str:
        """How far, how fast, how long still."""
        if not self.dates:
            return f"{self.doing}, {self._seconds:,.0f} s so far"
        return f"{self.done}, {self.rate}, about {self._seconds * (self.of / self.dates - 1):,.0f} s left"

    @property
    def _seconds(self) -> float:
        return max(time.monotonic() - self.started, 0.001)


def _bar(drawn: bool) -> progress.Progress | None:
    if not drawn:
        return None
    from recon.cli.show import bar

    return bar.drawn()


class Progress(Watcher):
    """A bar where it can be `drawn`, else a line every 30 s, and one log line per date."""

    def __init__(self, say: Callable[[str], None], *, drawn: bool) -> None:
        self._say, self._drawn = say, drawn
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
        return comparing(self._say, drawn=self._drawn)

    def planned(self, run_id: str, dates: Sequence[PlannedDate]) -> None:
        """The run has an id and a size from now on."""
        self._total = len(dates)
        self._work = {date.day: max(date.missing, date.changes) for date in dates}
        self._all_work = sum(self._work.values())
        self._spoke = self._started = time.monotonic()
        rows = counted(sum(date.missing for date in dates), "row")
        LOG.info("run %s: at least %s missing on %s", run_id, rows, counted(len(dates), "date"))
        self._bar = _bar(self._drawn)
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
            self._say(f"{dates}, {written}{left}{retries}")
