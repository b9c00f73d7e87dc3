"""How far a call is: a bar in a notebook, drawn by IPython itself, or a line on stderr."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from html import escape
from typing import Any

from recon.core.plan import DateResult, PlannedDate
from recon.reconcile.watcher import Compared, Watcher

Progress = bool | Callable[[int, int], None] | None
"""None: a bar in a notebook, nothing elsewhere. True: a line on stderr elsewhere. A function is told the steps done and
all of them."""


class Bar:
    """Steps done of all. In a notebook it is one output that is drawn again and again, and is empty in the end."""

    def __init__(self, wanted: Progress, unit: str) -> None:
        self._tell = wanted if callable(wanted) else None
        self._display = None if callable(wanted) or wanted is False else _display()
        self._speaks = wanted is True and self._display is None
        self._unit, self._handle = unit, None
        self._done = self._of = 0
        self._drawn = -1

    def step(self, more: int, of: int) -> None:
        """Some more steps, of all; where all were done, something else begins."""
        if self._of and self._done >= self._of:
            self._done, self._drawn = 0, -1
        self._done, self._of = self._done + more, of
        if self._tell:
            return self._tell(self._done, self._of)
        percent = 100 * self._done // max(of, 1)
        if percent != self._drawn:
            self._drawn = percent
            self._draw(f"{self._done:,} of {of:,} {self._unit}")

    def close(self) -> None:
        """Nothing is left of it."""
        if self._handle:
            self._handle.update(_Html(""), clear=True)
        elif self._speaks and self._drawn >= 0:
            sys.stderr.write("\n")

    def _draw(self, text: str) -> None:
        if self._speaks:
            sys.stderr.write(f"\r{text}")
            sys.stderr.flush()
        if self._display is None:
            return
        bar = _Html(f'<progress value="{self._done}" max="{max(self._of, 1)}"></progress> {escape(text)}', text)
        if self._handle:
            self._handle.update(bar)
        else:
            self._handle = self._display(bar, display_id=True)


class _Html:
    """What a notebook draws, and its plain form."""

    def __init__(self, html: str, text: str = "") -> None:
        self._html, self._text = html, text

    def __repr__(self) -> str:
        return self._text

    def _repr_html_(self) -> str:
        return self._html


def _display() -> Callable[..., Any] | None:
    """IPython's function that shows an object, in the kernel of a notebook; None anywhere else."""
    ipython, shown = sys.modules.get("IPython"), sys.modules.get("IPython.display")
    shell = ipython.get_ipython() if ipython else None
    return shown.display if shown and hasattr(shell, "kernel") else None


@contextmanager
def comparing(wanted: Progress, unit: str = "dates compared") -> Iterator[Compared]:
    """While keys or values are compared: what it gives is told how many more dates are, of all."""
    bar = Bar(wanted, unit)
    try:
        yield bar.step
    finally:
        bar.close()


class _Watcher(Watcher):
    """Shows how a run goes on."""

    def __init__(self, wanted: Progress) -> None:
        self._wanted = wanted
        self._bar = Bar(False, "")
        self._dates = 0

    def comparing(self) -> Any:
        """Before a run is planned."""
        return comparing(self._wanted)

    def planned(self, run_id: str, dates: Sequence[PlannedDate]) -> None:
        """The run has a size from now on."""
        self._bar, self._dates = Bar(self._wanted, f"dates done, run {run_id}"), len(dates)
        self._bar.step(0, self._dates)

    def finished(self, result: DateResult) -> None:  # noqa: ARG002 every date counts as one
        """One date came to its end."""
        self._bar.step(1, self._dates)

    def close(self) -> None:
        """The run is over."""
        self._bar.close()


@contextmanager
def watching(wanted: Progress) -> Iterator[Watcher]:
    """While a run goes on: its watcher."""
    watcher = _Watcher(wanted)
    try:
        yield watcher
    finally:
        watcher.close()
