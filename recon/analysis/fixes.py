"""TODO."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from datetime import date

from recon.core.window import Window
from recon.reconcile.status import Status
from recon.values.tolerance import Tolerance


def fix_command(days: Sequence[date]) -> str:
    """The command that fills some dates."""
    return f"recon date {days[0]}" if len(days) == 1 else f"recon range {min(days)} {max(days)}"


def fill_command(window: Window) -> str:
    """The command that fills a window.

    >>> fill_command(Window()), fill_command(Window(last=date(2024, 4, 2)))
    ('recon fix', 'recon fix --to 2024-04-02')
    """
    if window.first and window.last:
        return fix_command(sorted({window.first, window.last}))
    ends = {"--from": window.first, "--to": window.last}
    return " ".join(["recon fix", *(f"{option} {day}" for option, day in ends.items() if day)])


def explain_command(day: date, period: int | str, farm: str) -> str:
    """The command that explains a key, safe to paste into a shell whatever the farm is called.

    >>> print(explain_command(date(2024, 4, 20), 1, "-x; rm *"))
    recon explain 2024-04-20 1 -- '-x; rm *'
    """
    return f"recon explain {day} {period} {'-- ' if farm.startswith('-') else ''}{shlex.quote(farm)}"


def repair_command(found: Status, days: Sequence[date], what: str) -> str:
    """The command that shows what a repair of some dates would do: one of duplicate, orphan, stale."""
    whole = len(days) > 1 and not (found.window.first or found.window.last)
    return f"{'recon fix' if whole else fix_command(days)} --repair {what}{_within(found)} --dry-run"


def _within(found: Status) -> str:
    """The options that repeat the tolerance by which values were found wrong, if it was not the usual one."""
    near, usual = found.values.tolerance if found.values else Tolerance(), Tolerance()
    atol = "" if near.atol_btc == usual.atol_btc else f" --atol {near.atol_btc!r}"
    rtol = "" if near.rtol == usual.rtol else f" --rtol {near.rtol!r}"
    return atol + rtol
