"""Difficulty from elsewhere: reading other programs' files, and whether they fit what is known.

Read are CSV (epochs or days), the public JSON form `[[time, height, difficulty, change], ...]`, lists of JSON objects,
and JSON objects of dates. Difficulties may be written 1234, 1234.6, "1,234" or "1234.6".
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from typing import Any

import polars as pl

from recon.errors import DataFileError
from recon.reading import difficulty_number, instant, notes
from recon.schema import EPOCHS

TIMES = ("starts_at_utc", "starts_on", "date", "day", "time", "timestamp")
LONGEST_PLATEAU = timedelta(days=20)
LARGEST_STEP = 4
"""A retarget changes difficulty by a factor of 4 at most (Bitcoin consensus rule)."""
SAME = Decimal("1e-6")
CLOSE_IN_TIME = timedelta(hours=3)
AFTER_LAST_EPOCH = timedelta(days=10)
DAILY = timedelta(days=2)
MOST_SHOWN = 80
"""Characters of a file that an error shows."""
WANTED = "expected CSV or JSON with a date or time and a difficulty"


@dataclass(frozen=True)
class Epoch:
    """One difficulty epoch, and the line (or index) it was read from."""

    starts: datetime
    difficulty: Decimal
    height: int | None = None
    place: str = ""


@dataclass(frozen=True)
class Source:
    """What a file said: epochs in order of time, whether it went day by day, and the last date it knows.

    jumbled: the first row that is out of order in a file that goes neither forwards nor backwards.
    """

    epochs: tuple[Epoch, ...]
    daily: bool
    known_through: date
    jumbled: Epoch | None = None


@dataclass(frozen=True)
class Trouble:
    """One thing that cannot be right, where it is, and why."""

    place: str
    reason: str

    def __str__(self) -> str:
        return f"{self.place}: {self.reason}"


def read(text: str, name: str) -> Source:
    """The epochs of a file's text; DataFileError names the file, the line and what is wrong."""
    try:
        return _source(text.removeprefix("\ufeff"), name)
    except (csv.Error, ArithmeticError, RecursionError, ValueError) as error:
        raise DataFileError(f"{name} cannot be read: {error}", WANTED) from None


def _source(text: str, name: str) -> Source:
    is_json = text.lstrip().startswith(("[", "{"))
    listed = list(_from_json(text, name) if is_json else _from_csv(text, name))
    rows = sorted(listed, key=lambda epoch: epoch.starts)
    if not rows:
        raise DataFileError(f"{name} holds no difficulty", WANTED)
    for one, other in pairwise(rows):
        if one.starts == other.starts and one.difficulty != other.difficulty:
            reason = f"{one.starts:%Y-%m-%d %H:%M} has two difficulties, {one.difficulty} and {other.difficulty}"
            raise DataFileError(f"{name}, {other.place}: {reason}", "keep one of them")
    gaps = [other.starts - one.starts for one, other in pairwise(rows)]
    daily = len(gaps) > 1 and sorted(gaps)[len(gaps) // 2] < DAILY
    last = rows[-1].starts.date() if daily else (rows[-1].starts + AFTER_LAST_EPOCH).date()
    said = notes(text.splitlines()).get("known_through")
    return Source(tuple(_folded(rows)), daily, date.fromisoformat(said) if said else last, _jumbled(listed))


def _jumbled(rows: Sequence[Epoch]) -> Epoch | None:
    """The first row that breaks the order which the first two rows set."""
    backwards = len(rows) > 1 and rows[0].starts > rows[1].starts
    for one, other in pairwise(rows):
        if one.starts != other.starts and (one.starts > other.starts) is not backwards:
            return other
    return None


def _folded(rows: Iterable[Epoch]) -> Iterator[Epoch]:
    """The rows at which the difficulty changes: days become epochs."""
    before = None
    for row in rows:
        if before is None or row.difficulty != before.difficulty:
            yield row
        before = row


def _from_csv(text: str, name: str) -> Iterator[Epoch]:
    lines = text.splitlines()
    data = [(n, line) for n, line in enumerate(lines, 1) if line.strip() and not line.startswith("#")]
    reader = csv.DictReader(io.StringIO("\n".join(line for _, line in data)), skipinitialspace=True)
    header = {field.strip().lower(): field for field in reader.fieldnames or []}
    column = next((header[t] for t in TIMES if t in header), None)
    if column is None or "difficulty" not in header:
        raise DataFileError(f"{name} has no columns of that kind: {_shown(', '.join(header)) or 'nothing'}", WANTED)
    for (number, _), row in zip(data[1:], reader, strict=False):
        height = row.get(header.get("height", ""))
        yield _epoch(name, f"line {number}", row[column], row[header["difficulty"]], height)


def _from_json(text: str, name: str) -> Iterator[Epoch]:
    try:
        document = json.loads(text, parse_float=Decimal, parse_int=Decimal)
    except json.JSONDecodeError as error:
        raise DataFileError(f"{name}, line {error.lineno}: broken JSON, {error.msg}", WANTED) from None
    if isinstance(document, dict):
        document = [[day, None, value] for day, value in document.items()]
    for index, row in enumerate(document):
        place = f"entry {index + 1}"
        if isinstance(row, list) and len(row) >= 3:
            yield _epoch(name, place, row[0], row[2], row[1])
        elif isinstance(row, dict) and "difficulty" in row and any(t in row for t in TIMES):
            moment = next(row[t] for t in TIMES if t in row)
            yield _epoch(name, place, moment, row["difficulty"], row.get("height"))
        else:
            raise DataFileError(f"{name}, {place}: neither [time, height, difficulty] nor an object", WANTED)


def _epoch(name: str, place: str, moment: Any, difficulty: Any, height: Any) -> Epoch:
    try:
        starts = datetime.fromtimestamp(int(moment), UTC) if _is_unix(moment) else instant(str(moment).strip())
        number = difficulty_number(str(difficulty))
        block = int(Decimal(str(height))) if height not in (None, "") else None
    except (ValueError, InvalidOperation, OverflowError, OSError):
        found = _shown(f"{moment}, {difficulty}")
        raise DataFileError(f"{name}, {place}: {found} is no time and difficulty", WANTED) from None
    return Epoch(starts, number, block, place)


def _shown(text: str) -> str:
    """What a file says, fit for one line of a terminal."""
    printable = "".join(c if c.isprintable() else "?" for c in text[: MOST_SHOWN + 1])
    return printable if len(printable) <= MOST_SHOWN else printable[:MOST_SHOWN] + "..."


def _is_unix(moment: Any) -> bool:
    text = str(moment).strip()
    return text.isdigit() and len(text) >= 9


def disorder(source: Source) -> list[Trouble]:
    """Where a file's rows go neither forwards nor backwards in time."""
    row = source.jumbled
    return [Trouble(row.place, f"{row.starts:%Y-%m-%d} is out of order")] if row else []


def implausible(epochs: Sequence[Epoch], known_through: date | None = None) -> list[Trouble]:
    """Plateaus over 20 days and steps beyond a factor of 4; epochs in order of time.

    known_through: the last date that is claimed to be known, so that a stuck last value is noticed too.
    """
    found = []
    for one, other in pairwise(epochs):
        lasted, step = other.starts - one.starts, other.difficulty / one.difficulty
        if lasted > LONGEST_PLATEAU:
            found.append(Trouble(one.place, f"the difficulty of {one.starts:%Y-%m-%d} stays for {lasted.days} days"))
        if not 1 / Decimal(LARGEST_STEP) <= step <= LARGEST_STEP:
            day = f"{other.starts:%Y-%m-%d}"
            found.append(Trouble(other.place, f"the difficulty of {day} changes by a factor of {step:.3g}"))
    if epochs and known_through and known_through - epochs[-1].starts.date() > LONGEST_PLATEAU:
        lasted = known_through - epochs[-1].starts.date()
        found.append(Trouble(epochs[-1].place, f"the last difficulty is said to stay for {lasted.days} days"))
    return found


def contradictions(source: Source, known: Sequence[Epoch]) -> list[Trouble]:
    """Where a source says something else than the known epochs, by more than a millionth."""
    pairs = ((epoch, _same_epoch(epoch, source.daily, known)) for epoch in source.epochs)
    return [
        Trouble(epoch.place, f"{epoch.difficulty} on {epoch.starts:%Y-%m-%d}, where {match.difficulty} is known")
        for epoch, match in pairs
        if match and abs(epoch.difficulty - match.difficulty) > SAME * match.difficulty
    ]


def _same_epoch(epoch: Epoch, daily: bool, known: Sequence[Epoch]) -> Epoch | None:
    """The known epoch that an epoch of a source is: by height, else the one in force, else the one that starts then."""
    if epoch.height is not None and any(k.height == epoch.height for k in known):
        return next(k for k in known if k.height == epoch.height)
    if daily:
        in_force = next((k for k in reversed(known) if k.starts <= epoch.starts), None)
        may_be_next = known and epoch.starts >= known[-1].starts + AFTER_LAST_EPOCH
        return None if may_be_next else in_force
    return next((k for k in known if abs(k.starts - epoch.starts) <= CLOSE_IN_TIME), None)


def merged(source: Source, known: Sequence[Epoch], *, force: bool = False) -> list[Epoch]:
    """The known epochs and the source's new ones, in order of time; with `force` the source's word counts."""
    kept = list(known)
    for epoch in source.epochs:
        match = _same_epoch(epoch, source.daily, known)
        if match is None:
            kept.append(epoch)
        elif force and abs(epoch.difficulty - match.difficulty) > SAME * match.difficulty:
            kept[kept.index(match)] = Epoch(match.starts, epoch.difficulty, match.height, epoch.place)
    return list(_folded(sorted(kept, key=lambda k: k.starts)))


def known_epochs(frame: pl.DataFrame) -> list[Epoch]:
    """schema.EPOCHS as epochs."""
    return [Epoch(starts, difficulty.normalize(), height, "known") for height, starts, difficulty in frame.iter_rows()]


def to_csv(epochs: Sequence[Epoch], known_through: date) -> str:
    """The file that reference.load reads."""
    lines = [f"# known_through: {known_through}", ",".join(EPOCHS)]
    for epoch in epochs:
        height = "" if epoch.height is None else epoch.height
        lines.append(f"{height},{epoch.starts:%Y-%m-%dT%H:%M:%SZ},{epoch.difficulty:f}")
    return "\n".join(lines) + "\n"
