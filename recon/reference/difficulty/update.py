"""`recon difficulty`: which difficulty applies, whether a file can be right, and taking newer ones in."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from recon.core.address import without_password
from recon.core.errors import DataFileError, ExitCode, UsageError, document
from recon.core.files import replace_text
from recon.reference.data_files import USERS_DIFFICULTY, text_of
from recon.reference.difficulty.coverage import Coverage, Span, hole_text
from recon.reference.difficulty.epochs import Epoch, coverage, to_csv
from recon.reference.difficulty.files import Source, read
from recon.reference.difficulty.known import read_known
from recon.reference.difficulty.merge import contradictions, merged, misfits, settled
from recon.reference.difficulty.rules import Problem, problems, said, too_small
from recon.reference.download import TIMEOUT_S, fetch, is_url
from recon.reference.numbers import midnight
from recon.reference.reference import Reference

SINCE = date(2010, 1, 1)
"""Public lists leave 2009 out, in which difficulty was 1; it is never needed."""


def holes_of(covered: Coverage) -> tuple[Span, ...]:
    """The holes in coverage since 2010, in which dates are blocked."""
    return tuple(hole for hole in covered.holes if hole[1] >= SINCE)


def holes_to_list(holes: tuple[Span, ...]) -> list[dict[str, str]]:
    """Holes in coverage as JSON has them."""
    return [{"first": str(first), "last": str(last)} for first, last in holes]


@dataclass(frozen=True)
class Shown:
    """The difficulty of one date, or of the last known one; None in it where the date is not covered."""

    day: date
    difficulty: Decimal | None
    height: int | None
    starts_at_utc: str | None
    source: str
    coverage: Coverage

    @property
    def exit_code(self) -> ExitCode:
        """0, or 4 for a date that is not covered: it would be blocked."""
        return ExitCode.INCOMPLETE if self.difficulty is None else ExitCode.OK

    def to_dict(self) -> dict[str, Any]:
        """The JSON document of `recon difficulty show`."""
        return {
            **document("difficulty show"),
            "date": str(self.day),
            "difficulty": None if self.difficulty is None else f"{self.difficulty.normalize():f}",
            "epoch": {"height": self.height, "starts_at_utc": self.starts_at_utc},
            "source": self.source,
            "coverage": {"first": str(self.coverage.first), "known_through": str(self.coverage.known_through)},
            "holes": holes_to_list(holes_of(self.coverage)),
        }


@dataclass(frozen=True)
class Update:
    """Result of an update: epochs added and changed, and the file written."""

    path: Path
    added: int
    changed: int
    coverage: Coverage

    def to_dict(self) -> dict[str, Any]:
        """The JSON document of `recon difficulty update`."""
        return {
            **document("difficulty update"),
            "path": str(self.path),
            "added": self.added,
            "changed": self.changed,
            "known_through": str(self.coverage.known_through),
            "holes": holes_to_list(holes_of(self.coverage)),
        }


def show(reference: Reference, day: date | None) -> Shown:
    """The difficulty in force at 00:00 UTC of a date."""
    day = day or reference.known_through
    in_force = [row for row in reference.known if row.in_force <= midnight(day)]
    epoch = in_force[-1] if day in reference.coverage else None
    return Shown(
        day,
        epoch.difficulty if epoch else None,
        epoch.height if epoch else None,
        epoch.in_force.isoformat().replace("+00:00", "Z") if epoch else None,
        reference.difficulty_source,
        reference.coverage,
    )


@dataclass(frozen=True)
class Checked:
    """What a file or URL holds, everything in it that cannot be right, in the order of the file's dates, and the dates
    that would have no difficulty after an update with it.
    """

    source: Source
    problems: tuple[Problem, ...]
    result: tuple[Epoch, ...]
    known: tuple[Epoch, ...]

    @property
    def left_out(self) -> tuple[Span, ...]:
        """The holes of the file itself."""
        return holes_of(coverage(settled(self.source.epochs, self.known)))

    @property
    def blocked(self) -> tuple[Span, ...]:
        """The holes of what would be known; none where the file is not taken."""
        return () if self.problems else holes_of(coverage(self.result))

    def to_dict(self) -> dict[str, Any]:
        """The JSON document of `recon difficulty check`."""
        return {
            **document("difficulty check"),
            "epochs": len(self.source.epochs),
            "known_through": str(self.source.known_through) if self.source.known_through else None,
            "troubles": [{"place": problem.place, "reason": problem.reason} for problem in self.problems],
            "left_out": holes_to_list(self.left_out),
            "blocked": holes_to_list(self.blocked),
        }


@dataclass(frozen=True)
class Origin:
    """Where difficulties are read from: a file or a URL.

    live: it is up to date, so that its last difficulty holds through today (UTC). timeout_s: of a URL, in seconds.
    """

    place: str
    live: bool = False
    timeout_s: float = TIMEOUT_S

    @property
    def shown(self) -> str:
        """The place without a password."""
        return without_password(self.place) if is_url(self.place) else self.place

    def read(self) -> Source:
        """What it holds; DataFileError where that cannot be read."""
        is_remote = is_url(self.place)
        text = fetch(self.place, timeout_s=self.timeout_s) if is_remote else text_of(Path(self.place))
        return read(text, self.shown)


def check(reference: Reference, origin: Origin, *, today: date, force: bool = False) -> Checked:
    """Reads a file or URL and compares it with what is known.

    force: where it contradicts known epochs, its own replace them.
    """
    source = origin.read()
    if origin.live and source.epochs:
        last = source.epochs[-1]
        last = replace(last, through=max(last.through or today, today))
        source = replace(source, epochs=(*source.epochs[:-1], last))
    found = [*problems(source, today), *contradictions(source, reference.known)]
    if force:
        found = [problem for problem in found if not problem.is_opinion]
    result = reference.known if found else merged(source, reference.known, force=force)
    once = dict.fromkeys([*found, *misfits(result, reference.known)])  # a daily mean is odd and contradicts
    return Checked(source, tuple(once) or tuple(too_small(source)), result, reference.known)


def update(reference: Reference, origin: Origin, home: Path, *, force: bool, today: date) -> Update:
    """Merges a file or URL into the known epochs and writes the user's file, all of it or nothing.

    DataFileError when the source contradicts a known epoch, unless forced, when it cannot be right, and when the user's
    file would know less than before.
    """
    checked = check(reference, origin, today=today, force=force)
    if checked.problems:
        instead = ", or take its word with --force" if all(t.is_opinion for t in checked.problems) else ""
        look = f"look at it with 'recon difficulty check'{instead}"
        raise DataFileError(f"{origin.shown}, {said(checked.problems)}", look)
    path, result, known = home / USERS_DIFFICULTY, checked.result, reference.known
    _refuse_to_lose(path, reference, coverage(result))
    _write(path, to_csv(result))
    changed = sum(k.starts == r.starts and k.difficulty != r.difficulty for k in known for r in result)
    return Update(path, len(result) - len(known), changed, coverage(result))


def _refuse_to_lose(path: Path, reference: Reference, covered: Coverage) -> None:
    """The user's file may know more than the file that was named with --difficulty."""
    if not path.exists() or reference.difficulty_source == str(path):
        return
    lost = coverage(read_known(path)).lost(covered)
    if lost.spans:
        raise DataFileError(f"{path} knows more: {hole_text(lost.spans)}", "update it without --difficulty")


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_text(path, text, private=True)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}", "set RECON_HOME to a folder of yours") from None
