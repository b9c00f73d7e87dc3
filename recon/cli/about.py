"""What a command's docstring says beyond its help: sections that the reference pages show."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass

NEXT = (
    "The last line, `next:`, is the command to run now; in JSON `next` is the same as a list of arguments, beginning "
    "with the program's name. There is none where nothing is to be done."
)
SHARED = {
    "needs_no_database": "none; it needs no database.",
    "reads": "none; all it does is read, in read-only transactions.",
    "fills": (
        "it inserts rows that are missing, each date in a transaction that is verified before it is committed. Rows "
        "that are there stay as they are, unless --repair names more than missing; then each row that is replaced or "
        "removed is kept in recon.quarantine."
    ),
    "fills_keys": (
        "it inserts rows that are missing, on one connection, and touches no other row. A key that fails is left out "
        "and reported."
    ),
    "filled": (
        "the BTC written per miner model, the rows and dates, what is left. With --json one document: planned, "
        "dates, inserted, btc, remaining, reconciled. " + NEXT
    ),
    "next": NEXT,
}
"""What commands of a family have in common: a section says `{fills}` for it."""
SECTIONS = ("Risks", "Output", "Exit status", "Examples")
_HEADING = re.compile(rf"^({'|'.join(SECTIONS)}):", re.MULTILINE)


@dataclass(frozen=True)
class About:
    """A docstring taken apart: what `--help` shows, and the text of each section of SECTIONS that it has."""

    help: str
    sections: Mapping[str, str]

    @classmethod
    def of(cls, docstring: str | None) -> About:
        """The parts of a docstring.

        >>> about = About.of("Say.\\n\\nRisks: {needs_no_database}\\nExamples:\\n    recon config show\\n")
        >>> about.help, about.sections
        ('Say.', {'Risks': 'none; it needs no database.', 'Examples': 'recon config show'})
        """
        text, *rest = _HEADING.split(inspect.cleandoc(docstring or ""))
        sections = zip(rest[::2], rest[1::2], strict=True)
        return cls(text.strip(), {name: inspect.cleandoc(body).format_map(SHARED) for name, body in sections})
