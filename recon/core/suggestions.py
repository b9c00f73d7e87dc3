"""The commands that recon suggests: whole ones, that can be copied as they are."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from datetime import date

from recon.core.window import Window

PUBLIC_DIFFICULTY = "https://mempool.space/api/v1/mining/difficulty-adjustments"
UPDATE_DIFFICULTY = f"recon difficulty update --live --from {PUBLIC_DIFFICULTY}"
"""What mends a date without a known difficulty. The address is named each time: nobody is asked behind one's back."""
ON_TABLES = re.compile(
    r"\brecon (?=(?:analyze|daily|date|diagnose|explain|fix|init|minimal|quarantine|range|report|resume|runs|status)\b)"
)
"""The beginning of a command that is about somebody's tables, and so has to name them as the one before it did."""


def called(text: str, program: str) -> str:
    """A text whose commands are called as `program`, which is `recon` with the options that name the tables.

    >>> called("run 'recon resume', then 'recon difficulty show'", "recon -d embedded")
    "run 'recon -d embedded resume', then 'recon difficulty show'"
    """
    return ON_TABLES.sub(lambda _: f"{program} ", text)


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
