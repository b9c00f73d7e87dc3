"""The shapes in which files have difficulties: each becomes lines with a `date`, a `difficulty` and perhaps a `height`.

CSV with a header or without one; JSON as lists of lists or of objects, or as an object of dates; and any of these in
the envelope of a chart's or an explorer's API. Which it is shows in the names of columns and keys, and without names
in the figures: block heights have at most 7 digits, times in seconds have more.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from recon.core.errors import DataFileError
from recon.reference.data_lines import Line, lines_of, shown
from recon.reference.numbers import Misread

TIMES = ("starts_at_utc", "starts_on", "date", "day", "time", "timestamp", "datetime", "x", "t")
FIGURES = ("difficulty", "difflast", "y", "v", "value")
ENVELOPES = ("difficulty", "values", "data", "blocks", "result", "dataset")
"""Keys under which an API gives its list."""
OF_A_BLOCK = {"bits", "nonce", "merkle_root", "merkleroot", "mediantime", "median_time", "previousblockhash"}
"""What explorers say of every block, whether it starts an epoch or not."""
MEAN = re.compile(r"(?=.*diff)(?=.*(mean|avg|average))", re.IGNORECASE)
HEIGHT = re.compile(r"\d{1,7}(\.0*)?", re.ASCII)
WANTED = "expected CSV or JSON with a date or time and a difficulty"
EPOCHS_INSTEAD = "daily means are no difficulties; take a list of epochs"


@dataclass(frozen=True)
class Shape:
    """The lines of a file. blocks: they are single blocks, of any height."""

    lines: Sequence[Line]
    blocks: bool = False


def shape(text: str, name: str) -> Shape:
    """The lines of a file's text; DataFileError where it has none of the shapes."""
    if not text.lstrip().startswith(("[", "{")):
        return Shape(list(_from_csv(text, name)))
    rows = _listed(_document(text, name), name)
    are_blocks = bool(rows) and all(isinstance(row, dict) and row.keys() & OF_A_BLOCK for row in rows)
    read = _of_block if are_blocks else _of_row
    lines = (read(row, Line(name, f"entry {index}", {})) for index, row in enumerate(rows, 1))
    return Shape([_plain(line) for line in lines], are_blocks)


def _from_csv(text: str, name: str) -> Iterator[Line]:
    header, lines = lines_of(text, name, _without_names)
    time, figure = _first(TIMES, header), _first(FIGURES, header)
    if means := [column for column in header if MEAN.search(column) and not figure]:
        raise DataFileError(f"{name} has the column {shown(means[0])}", EPOCHS_INSTEAD)
    if time is None or figure is None:
        raise DataFileError(f"{name} has no columns of that kind: {shown(', '.join(header)) or 'nothing'}", WANTED)
    for line in lines:
        date, difficulty = line.values.get(time, ""), line.values.get(figure, "")
        yield replace(line, values={**line.values, "date": date, "difficulty": difficulty})


def _without_names(first: Sequence[str]) -> list[str] | None:
    """The names of the columns of a file whose first line has none, but a date, a time or a height."""
    if not re.match(r"\d", first[0].strip()):
        return None
    names = _positions(first)
    if names is None or len(names) < len(first):
        raise Misread(f"{len(first)} values in its first line, and no header")
    return names


def _positions(cells: Sequence[Any]) -> list[str] | None:
    """What stands where in a row without names; None for one that is too short."""
    texts = [str(cell).strip() for cell in cells]
    if len(texts) == 2:
        return ["date", "difficulty"]
    if len(texts) < 3:
        return None
    is_height_first = HEIGHT.fullmatch(texts[0]) and not HEIGHT.fullmatch(texts[1])
    before = ["height", "date"] if is_height_first else ["date", "height"]
    return [*before, *["difficulty", "change"][: len(texts) - 2]]


def _document(text: str, name: str) -> Any:
    try:
        return json.loads(text, parse_float=Decimal, parse_int=Decimal, object_pairs_hook=_without_doubles)
    except json.JSONDecodeError as error:
        raise DataFileError(f"{name}, line {error.lineno}: broken JSON, {error.msg}", WANTED) from None


def _without_doubles(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"{key} is there twice")
        found[key] = value
    return found


def _listed(document: Any, name: str) -> list[Any]:
    """The rows of a document, in whatever envelope."""
    if isinstance(document, list):
        return document
    if all(re.match(r"\d", key) for key in document):
        return [[day, value] for day, value in document.items()]
    title = document.get("name")
    if isinstance(title, str) and "difficulty" not in title.lower():
        raise DataFileError(f"{name} is about {shown(title)!r}, not about difficulty", WANTED)
    for key in ENVELOPES:
        if isinstance(document.get(key), list | dict):
            return _listed(document[key], name)
    if document.keys() & OF_A_BLOCK:
        return [document]
    raise DataFileError(f"{name} has no list of difficulties among its keys: {shown(', '.join(document))}", WANTED)


def _of_row(row: Any, line: Line) -> Line:
    if isinstance(row, list) and (names := _positions(row)):
        return replace(line, values=dict(zip(names, row, strict=False)))
    if not isinstance(row, dict):
        raise line.wrong("neither [time, height, difficulty] nor an object", WANTED)
    values = {key.lower(): value for key, value in row.items()}
    time, figure = _first(TIMES, values), _first(FIGURES, values)
    if figure is None and (means := [key for key in row if MEAN.search(key)]):
        raise line.wrong(f"{shown(means[0])} is a mean", EPOCHS_INSTEAD)
    if time is None or figure is None:
        raise line.wrong("neither [time, height, difficulty] nor an object", WANTED)
    return replace(line, values={**values, "date": values[time], "difficulty": values[figure]})


def _of_block(row: Mapping[str, Any], line: Line) -> Line:
    """A block: its height is `height`, or where that is missing its number, `id`."""
    time = _first(("timestamp", "time"), row)
    if time is None or "difficulty" not in row:
        raise line.wrong("a block without its time or its difficulty", WANTED)
    height = row.get("height", row.get("id"))
    return replace(line, values={"date": row[time], "height": height, "difficulty": row["difficulty"]})


def _first(names: Iterable[str], there: Iterable[str]) -> str | None:
    return next((name for name in names if name in there), None)


def _plain(line: Line) -> Line:
    """The same with every value as text."""
    return replace(line, values={key: "" if value is None else str(value) for key, value in line.values.items()})
