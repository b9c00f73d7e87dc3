"""The lines of a CSV file of reference data, each of which knows where it stands."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import InvalidOperation
from pathlib import Path
from typing import TypeVar

from recon.core.errors import DataFileError
from recon.reference.data_files import text_of
from recon.reference.numbers import Misread

MOST_SHOWN = 80
"""Characters of a file that an error shows."""
OTHER_SEPARATORS = {";": "';'", "\t": "tabs", "|": "'|'"}
T = TypeVar("T")


@dataclass(frozen=True)
class Line:
    """One data line of a CSV file (or one entry of JSON), and where it is in which file."""

    name: str
    place: str
    values: dict[str, str]

    def wrong(self, what: str, hint: str) -> DataFileError:
        """The error that names this line."""
        return DataFileError(f"{self.name}, {self.place}: {what}", hint)

    def get(self, column: str, parse: Callable[[str], T], wanted: str) -> T:
        """One value parsed; DataFileError saying what was wanted, or how to write it."""
        text = (self.values.get(column) or "").strip()
        try:
            return parse(text)
        except (ValueError, InvalidOperation, OverflowError, OSError) as error:
            said = str(error) if isinstance(error, Misread) else ""
            raise self.wrong(f"{column} is {shown(text)!r}", said or f"expected {wanted}") from None


def shown(text: str) -> str:
    """What a file says, fit for one line of a terminal."""
    printable = "".join(c if c.isprintable() else "?" for c in text[: MOST_SHOWN + 1])
    return printable if len(printable) <= MOST_SHOWN else printable[:MOST_SHOWN] + "..."


def refuse_web_page(text: str, name: str) -> None:
    """DataFileError for the page of a web site, which is what a wrong address or a log-in form gives."""
    if text.lstrip("\ufeff \t\r\n").startswith("<"):
        raise DataFileError(f"{name} is a web page (HTML or XML), not the data", "expected CSV: download the data")


def _named(_first: Sequence[str]) -> list[str] | None:
    return None


def lines_of(
    text: str, name: str, unnamed: Callable[[Sequence[str]], list[str] | None] = _named
) -> tuple[list[str], list[Line]]:
    """The columns of a CSV text, in lower case, and its data lines. Comments and blank lines are skipped.

    unnamed: says what the columns are of a text whose first line is data; None where it is the header.
    """
    refuse_web_page(text, name)
    text_lines = text.removeprefix("\ufeff").splitlines()
    numbered = [(n, line) for n, line in enumerate(text_lines, 1) if line.strip() and not line.lstrip().startswith("#")]
    try:
        rows = list(csv.reader((line for _, line in numbered), skipinitialspace=True))
    except csv.Error as error:
        raise DataFileError(f"{name} cannot be read: {error}", "expected one line per entry") from None
    if len(rows) != len(numbered):
        raise DataFileError(f"{name} has a value that runs over several lines", "write one line per entry")
    if not rows:
        return [], []
    _refuse_separator(rows[0], name)
    names = unnamed(rows[0])
    header, start = (names, 0) if names else ([column.strip().lower() for column in rows[0]], 1)
    _refuse_doubles(header, name)
    pairs = zip(numbered[start:], rows[start:], strict=True)
    return header, [_line(header, row, name, number) for (number, _), row in pairs]


def _refuse_separator(first: Sequence[str], name: str) -> None:
    for separator, called in OTHER_SEPARATORS.items():
        if len(first) == 1 and separator in first[0]:
            raise DataFileError(f"{name} separates its columns with {called}", "expected commas")


def _refuse_doubles(header: Sequence[str], name: str) -> None:
    twice = next((column for column in header if column and header.count(column) > 1), None)
    if twice:
        raise DataFileError(f"{name} has the column {shown(twice)} twice", "keep one of them")


def _line(header: list[str], row: list[str], name: str, number: int) -> Line:
    line = Line(name, f"line {number}", dict(zip(header, row, strict=False)))
    if any(value.strip() for value in row[len(header) :]):
        what = f"{len(row)} values for {len(header)} columns"
        raise line.wrong(what, "a number with commas in it is written within quotes")
    return line


def read_lines(path: Path, columns: tuple[str, ...]) -> list[Line]:
    """The data lines of a CSV file that has these columns."""
    header, lines = lines_of(text_of(path), str(path))
    missing = [name for name in columns if name not in header]
    if missing:
        found = shown(", ".join(header)) or "nothing"
        raise DataFileError(f"{path} has no column {missing[0]}", f"expected {', '.join(columns)}; found {found}")
    if not lines:
        raise DataFileError(f"{path} holds no data line", f"write one line per entry: {', '.join(columns)}")
    return lines
