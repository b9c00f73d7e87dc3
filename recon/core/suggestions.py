"""The commands that recon suggests: whole ones, that can be copied as they are."""

from __future__ import annotations

import re

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
