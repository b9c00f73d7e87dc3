"""The bar of a long step, on a terminal; loading Rich's takes as long as a small query, so only where one is drawn."""

from __future__ import annotations

from datetime import timedelta

from rich import progress
from rich.console import Console
from rich.table import Column
from rich.text import Text

WIDTH = 12
NARROW = 72
"""Columns below which the words need the bar's place."""


class Time(progress.ProgressColumn):
    """How long it will still take; where that cannot be known, how long it has taken so far."""

    max_refresh = 0.5

    def render(self, task: progress.Task) -> Text:
        """As in 0:01:23 left."""
        left = task.time_remaining
        seconds, what = (task.elapsed or 0, "so far") if left is None else (left, "left")
        return Text(f"{timedelta(seconds=int(seconds))} {what}", style="progress.remaining")


def drawn() -> progress.Progress | None:
    """What, how far, how fast, how long still: on stderr, and gone in the end. None where it cannot be drawn.

    Its words take a second line (columns of their own, not Rich's) before any is cut off.
    """
    console = Console(stderr=True)
    if console.is_dumb_terminal:
        return None
    return progress.Progress(
        progress.TextColumn("{task.description}", table_column=Column()),
        *([progress.BarColumn(WIDTH)] if console.width >= NARROW else []),
        progress.TextColumn("{task.fields[written]}", table_column=Column()),
        Time(),
        console=console,
        transient=True,
    )
