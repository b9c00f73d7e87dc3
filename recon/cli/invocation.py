"""One command line: what was given before the command's name, and what its end has to know of the command."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from recon.core.errors import ReconError
from recon.core.suggestions import Program


class Invocation:
    """One command line from its first word to its exit code. Typer hands it to the commands as `ctx.obj`.

    given: the common options before the command's name. program: how suggested commands begin, once it is known which
    tables this one is about. endings: called with the error that ends the command, on whichever thread it is found.
    """

    def __init__(self, arguments: Sequence[str] = ()) -> None:
        self.arguments = arguments
        self.given: Mapping[str, Any] = {}
        self.program = Program()
        self.endings: list[Callable[[ReconError], None]] = []

    def give(self, flat: dict[str, Any], names: Sequence[str]) -> Mapping[str, Any]:
        """Takes options out of the values of a command line; where one is None, that before the command holds."""
        own = {name: flat.pop(name, None) for name in names}
        return {name: self.given.get(name) if value is None else value for name, value in own.items()}
