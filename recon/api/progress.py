"""How far a call is: a bar in a notebook, drawn by IPython itself, or a line on stderr."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from html import escape
from typing import Any

from recon.reconcile.watcher import Compared, Watcher

Progress = bool | Callable[[int, int], None] | None
"""None: a bar in a notebook, nothing elsewhere. True: a line on stderr elsewhere. A function is told the steps done and
all of them."""


class Bar:
    """Steps done of all. In a notebook it is one output that is drawn again and again, and is empty in the end."""

    def __init__(self, wanted: Progress) -> None:
        self._tell = wanted if callable(wanted) else None
        self._display = None if callable(wanted) or wanted is False else _display()
        self._speaks = wanted is True and self._display is None
        self._unit, self._handle = "dates compared", None
        self._done = self._of = 0
        self._drawn = -1

    @property
    def watcher(self) -> Watcher:
        """Who tells it how a run goes on."""
        return _Watcher(self)

    def begin(self, unit: str, of: int) -> None:
        """Something else, of which nothing is done yet."""
        self._unit, self._done, self._of, self._drawn = unit, 0, 0, -1
        self.step(0, of)

    def step(self, more: int, of: int) -> None:
        """Some more steps, of all; where all were done, they begin anew."""
        if self._of and self._done >= self._of:
            self._done, self._drawn = 0, -1
        self._done, self._of = self._done + more, of
        if self._tell:
            return self._tell(self._done, self._of)
        percent = 100 * self._done // max(of, 1)
        if percent != self._drawn:
            self._drawn = percent
            self._draw(f"{self._done:,}/{of:,} {self._unit}")

    def close(self) -> None:
        """Nothing is left of it."""
        if self._handle:
            self._handle.update(_Html(""))
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


class _Watcher(Watcher):
    """Tells a bar how a run goes on."""

    def __init__(self, bar: Bar) -> None:
        self._bar, self._dates = bar, 0

    def comparing(self) -> AbstractContextManager[Compared]:
        """Before a run is planned."""
        return nullcontext(self._bar.step)

    def planned(self, run_id: str, dates: Sequence[object]) -> None:
        """The run has an id and a size from now on."""
        self._dates = len(dates)
        self._bar.begin(f"dates done, run {run_id}", self._dates)

    def finished(self, result: object) -> None:  # noqa: ARG002 every date counts as one
        """One date came to its end."""
        self._bar.step(1, self._dates)
