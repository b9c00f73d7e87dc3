"""What a command's docstring says beyond its help: sections that the reference pages show."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass

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

        >>> about = About.of("Fill one date.\\n\\nRisks: it writes.\\nExamples:\\n    recon date 2024-04-20\\n")
        >>> about.help, about.sections["Examples"]
        ('Fill one date.', 'recon date 2024-04-20')
        """
        text, *rest = _HEADING.split(inspect.cleandoc(docstring or ""))
        sections = zip(rest[::2], rest[1::2], strict=True)
        return cls(text.strip(), {name: inspect.cleandoc(body) for name, body in sections})
