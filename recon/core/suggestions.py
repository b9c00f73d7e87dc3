"""The commands that recon suggests: whole ones, that can be copied as they are."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from recon.core.settings import DEFAULT_REPAIR, REPAIRS
from recon.core.window import Window


@dataclass(frozen=True)
class Suggestion:
    """A command of recon to run: the words after the program's name, which begin with the command's.

    >>> print(Suggestion("explain", "2024-04-20", "1", "it's"))
    recon explain 2024-04-20 1 'it'"'"'s'
    """

    words: tuple[str, ...]

    def __init__(self, *words: object) -> None:
        object.__setattr__(self, "words", tuple(map(str, words)))

    def with_words(self, *words: object) -> Suggestion:
        """The same command with more words."""
        return Suggestion(*self.words, *words)

    def because(self, reason: str) -> Advice:
        """The command with a comment, which a shell passes over.

        >>> RECON.render(Suggestion("fix", 5).because("writing is slow"))
        'recon fix 5  # writing is slow'
        """
        return self, f"  # {reason}"

    def __str__(self) -> str:
        return shlex.join(("recon", *self.words))


Advice = str | Suggestion | tuple[str | Suggestion, ...]
"""What to do: prose, a command, or both in turn."""


@dataclass(frozen=True)
class Program:
    """What suggested commands begin with: `recon`, and where they are about somebody's tables, which.

    options: those that name the tables, as words. commands: gives the full names of the commands that take
    them, once they have to be known.
    """

    options: tuple[str, ...] = ()
    commands: Callable[[], frozenset[str]] = frozenset

    def __str__(self) -> str:
        return shlex.join(("recon", *self.options))

    def render(self, advice: Advice) -> str:
        """The advice as one text.

        >>> here = Program(("-d", "embedded"), lambda: frozenset({"fix", "resume"}))
        >>> here.render(("run '", Suggestion("fix", "5"), "', or '", Suggestion("difficulty", "show"), "'"))
        "run 'recon -d embedded fix 5', or 'recon difficulty show'"
        >>> here.render("run 'recon resume', then 'recon difficulty show'")
        "run 'recon -d embedded resume', then 'recon difficulty show'"
        >>> here.render("give what 'recon fix' wrote")
        "give what 'recon fix' wrote"
        """
        if isinstance(advice, tuple):
            return "".join(map(self.render, advice))
        if isinstance(advice, Suggestion):
            return shlex.join(self.arguments(advice))
        return self._in_prose(advice)

    def arguments(self, command: Suggestion) -> list[str]:
        """The command as a list of arguments, the program's name first.

        >>> RECON.arguments(Suggestion("fix", 5))
        ['recon', 'fix', '5']
        """
        names = {" ".join(command.words[:length]) for length in (1, 2)}
        options = self.options if self.options and names & self.commands() else ()
        return ["recon", *options, *command.words]

    def _in_prose(self, text: str) -> str:
        """A text in which commands stand, as in the hint of an error; what one `wrote` is no suggestion to run it."""
        if not self.options or not (commands := self.commands()):
            return text
        names = "|".join(map(re.escape, commands))
        return re.sub(rf"\brecon (?=(?:{names})\b)(?![a-z ]+' wrote)", lambda _: f"{self} ", text)


RECON = Program()
PUBLIC_DIFFICULTY = "https://mempool.space/api/v1/mining/difficulty-adjustments"
UPDATE_DIFFICULTY = Suggestion("difficulty", "update", "--live", "--from", PUBLIC_DIFFICULTY)
"""What mends a date without a known difficulty. The address is named each time: nobody is asked behind one's back."""


def fix_command(days: Sequence[date]) -> Suggestion:
    """The command that fills some dates."""
    return Suggestion("date", days[0]) if len(days) == 1 else Suggestion("range", min(days), max(days))


def fill_command(window: Window) -> Suggestion:
    """The command that fills a window.

    >>> print(fill_command(Window()), "or", fill_command(Window(last=date(2024, 4, 2))))
    recon fix or recon fix --to 2024-04-02
    """
    if window.first and window.last:
        return fix_command(sorted({window.first, window.last}))
    ends = {"--from": window.first, "--to": window.last}
    return Suggestion("fix", *(word for option, day in ends.items() if day for word in (option, day)))


def repair_command(window: Window, repairs: Iterable[str], *words: object) -> Suggestion:
    """The command that makes some repairs in a window.

    >>> print(repair_command(Window(), ["missing"]), "or", repair_command(Window(), ["orphan", "missing"], "--yes"))
    recon fix or recon fix --repair missing,orphan --yes
    """
    named = ",".join(kind for kind in REPAIRS if kind in repairs)
    chosen = [] if named == DEFAULT_REPAIR else ["--repair", named]
    return fill_command(window).with_words(*chosen, *words)


def explain_command(day: date, period: int | str, farm: str) -> Suggestion:
    """The command that explains a key, safe to paste into a shell whatever the farm is called.

    >>> print(explain_command(date(2024, 4, 20), 1, "-x; rm *"))
    recon explain 2024-04-20 1 -- '-x; rm *'
    """
    return Suggestion("explain", day, period, *(["--"] if farm.startswith("-") else []), farm)
