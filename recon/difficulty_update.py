"""`recon difficulty`: which difficulty applies, whether a file can be right, and taking newer ones in."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from recon.address import without_password
from recon.difficulty_files import (
    Source,
    Trouble,
    contradictions,
    disorder,
    implausible,
    known_epochs,
    merged,
    read,
    to_csv,
)
from recon.download import TIMEOUT_S, fetch, is_url
from recon.errors import DataFileError, ExitCode, UsageError
from recon.files import replace_text
from recon.reading import instant
from recon.reference import USERS_DIFFICULTY, Reference
from recon.report import SCHEMA_VERSION


@dataclass(frozen=True)
class Shown:
    """The difficulty of one date, or of the last known one; None in it where the date is not covered."""

    day: date
    difficulty: Decimal | None
    height: int | None
    starts_at_utc: str | None
    source: str
    first: date
    known_through: date

    @property
    def exit_code(self) -> ExitCode:
        """0, or 4 for a date that is not covered: it would be blocked."""
        return ExitCode.INCOMPLETE if self.difficulty is None else ExitCode.OK

    def to_dict(self) -> dict[str, Any]:
        """The JSON document of `recon difficulty show`."""
        return {
            "schema_version": SCHEMA_VERSION,
            "command": "difficulty show",
            "date": str(self.day),
            "difficulty": None if self.difficulty is None else f"{self.difficulty.normalize():f}",
            "epoch": {"height": self.height, "starts_at_utc": self.starts_at_utc},
            "source": self.source,
            "coverage": {"first": str(self.first), "known_through": str(self.known_through)},
        }


@dataclass(frozen=True)
class Update:
    """What an update added, and where it was written."""

    path: Path
    added: int
    changed: int
    known_through: date

    def to_dict(self) -> dict[str, Any]:
        """The JSON document of `recon difficulty update`."""
        return {
            "schema_version": SCHEMA_VERSION,
            "command": "difficulty update",
            "path": str(self.path),
            "added": self.added,
            "changed": self.changed,
            "known_through": str(self.known_through),
        }


def show(reference: Reference, day: date | None) -> Shown:
    """The difficulty in force at 00:00 UTC of a date."""
    day = day or reference.known_through
    term = reference.terms([day]).to_dicts()[0]
    midnight = instant(day.isoformat())
    in_force = [row for row in reference.epochs.to_dicts() if row["starts_at_utc"] <= midnight]
    epoch = in_force[-1] if in_force and term["difficulty"] is not None else None
    return Shown(
        day,
        term["difficulty"],
        epoch["height"] if epoch else None,
        epoch["starts_at_utc"].isoformat().replace("+00:00", "Z") if epoch else None,
        reference.difficulty_source,
        _first_day(reference),
        reference.known_through,
    )


def _first_day(reference: Reference) -> date:
    """The first date whose 00:00 UTC lies in an epoch."""
    starts = reference.epochs.item(0, "starts_at_utc")
    day: date = starts.date()
    return day if instant(day.isoformat()) >= starts else date.fromordinal(day.toordinal() + 1)


def check(reference: Reference, origin: str, *, timeout_s: float = TIMEOUT_S) -> tuple[Source, list[Trouble]]:
    """What a file or URL holds, and everything in it that cannot be right, in the order of the file's dates."""
    source = _read(origin, timeout_s)
    known = known_epochs(reference.epochs)
    unlikely = [*disorder(source), *implausible(source.epochs, source.known_through)]
    return source, [*unlikely, *contradictions(source, known)]


def update(
    reference: Reference,
    origin: str,
    home: Path,
    *,
    force: bool,
    live_on: date | None = None,
    timeout_s: float = TIMEOUT_S,
) -> Update:
    """Merges a file or URL into the known epochs and writes the user's file, all of it or nothing.

    live_on: the date (UTC) on which the source is up to date, so that its last difficulty holds through that date.
    DataFileError when the source contradicts a known epoch or cannot be right, unless forced.
    """
    source = _read(origin, timeout_s)
    if live_on:
        source = replace(source, known_through=max(source.known_through, live_on))
    known = known_epochs(reference.epochs)
    troubles = [*contradictions(source, known), *disorder(source), *implausible(source.epochs, source.known_through)]
    if troubles and not force:
        more = f" (and {len(troubles) - 1} more)" if len(troubles) > 1 else ""
        raise DataFileError(
            f"{_shown(origin)}, {troubles[0]}{more}",
            "look at it with 'recon difficulty check', or take its word with --force",
        )
    result = merged(source, known, force=force)
    through = max(reference.known_through, source.known_through)
    path = home / USERS_DIFFICULTY
    _write(path, to_csv(result, through))
    changed = sum(k.starts == r.starts and k.difficulty != r.difficulty for k in known for r in result)
    return Update(path, len(result) - len(known), changed, through)


def _shown(origin: str) -> str:
    return without_password(origin) if is_url(origin) else origin


def _read(origin: str, timeout_s: float) -> Source:
    if is_url(origin):
        return read(fetch(origin, timeout_s=timeout_s), _shown(origin))
    try:
        return read(Path(origin).read_text(encoding="utf-8"), origin)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise DataFileError(f"{origin} cannot be read: {reason}", "give a file or an http(s) address") from None


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_text(path, text)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}", "set RECON_HOME to a folder of yours") from None
