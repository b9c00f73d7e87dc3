"""Reference data: miner models, block subsidies and difficulty epochs, from CSV files that can be replaced."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import polars as pl

from recon import difficulty
from recon.errors import DataFileError
from recon.reading import difficulty_number, instant, notes, positive
from recon.schema import EPOCHS, MINERS, SUBSIDIES

BESIDE_THE_CODE = Path(__file__).parent / "data"
IN_THE_REPOSITORY = Path(__file__).parent.parent / "data"
USERS_DIFFICULTY = "difficulty.csv"
AFTER_LAST_EPOCH = timedelta(days=10)
"""How long the last epoch of a file without `known_through` counts: an epoch takes about 14 days."""
T = TypeVar("T")


def packaged(name: str) -> Path:
    """A file of `data/`, which travels inside an installed package."""
    return (BESIDE_THE_CODE if BESIDE_THE_CODE.is_dir() else IN_THE_REPOSITORY) / name


@dataclass(frozen=True)
class Reference:
    """Everything that prices energy. Frames as in `schema`; known_through is the last date of known difficulty.

    variants: other figures of the same miner models, which price nothing but explain wrong values.
    """

    miners: pl.DataFrame
    subsidies: pl.DataFrame
    epochs: pl.DataFrame
    known_through: date
    difficulty_source: str
    variants: pl.DataFrame

    @property
    def models(self) -> tuple[str, ...]:
        """The configured miner models, in the file's order."""
        return tuple(self.miners.get_column("miner_model"))

    @cached_property
    def difficulty_decimals(self) -> int:
        """The decimals that difficulties are stored with."""
        return difficulty.decimals(self.epochs)

    @cached_property
    def checksum(self) -> str:
        """SHA-256 of what the data say, however their files are written."""
        frames = (self.miners.sort("miner_model"), self.subsidies, self.epochs)
        text = "\n".join(frame.write_csv() for frame in frames) + str(self.known_through)
        return hashlib.sha256(text.encode()).hexdigest()

    def terms(self, dates: Iterable[date]) -> pl.DataFrame:
        """One row per date: `difficulty` (Decimal) and `subsidy_btc`, null where unknown."""
        days = pl.LazyFrame({"settlement_date": sorted(set(dates))}, schema={"settlement_date": pl.Date})
        known = difficulty.on_dates(days, self.epochs.lazy(), self.known_through)
        return (
            known.join(difficulty.subsidy_on_dates(days, self.subsidies.lazy()), on="settlement_date", how="left")
            .sort("settlement_date")
            .collect()
        )

    def parameters(self) -> dict[str, Any]:
        """What a run's stored plan keeps of it; miner models and subsidies in full."""
        return {
            "miners": self.miners.to_dicts(),
            "subsidies": [
                {"starts_on": row["starts_on"].isoformat(), "subsidy_btc": row["subsidy_btc"]}
                for row in self.subsidies.to_dicts()
            ],
            "difficulty_source": self.difficulty_source,
            "checksum": self.checksum,
        }

    def with_parameters(self, parameters: dict[str, Any]) -> Reference:
        """These epochs with a stored plan's miner models and subsidies. KeyError or ValueError when it is damaged."""
        starts = [(date.fromisoformat(r["starts_on"]), r["subsidy_btc"]) for r in parameters["subsidies"]]
        miners = pl.DataFrame(parameters["miners"], schema=MINERS)
        subsidies = pl.DataFrame(starts, schema=SUBSIDIES, orient="row")
        if any(sum(frame.null_count().row(0)) for frame in (miners, subsidies)):
            raise ValueError("a figure is missing")
        return replace(self, miners=miners, subsidies=subsidies)


def load(miners: Path | None, epochs: Path | None, subsidies: Path | None, user_data_dir: Path) -> Reference:
    """The files given, else the packaged ones; for difficulty, the user's updated file comes before the packaged.

    DataFileError names file and line of the first thing that cannot be right.
    """
    updated = user_data_dir / USERS_DIFFICULTY
    source = epochs or (updated if updated.exists() else packaged("difficulty.csv"))
    frame, known_through = read_epochs(source)
    return Reference(
        miners=read_miners(miners or packaged("miner_models.csv")),
        subsidies=read_subsidies(subsidies or packaged("block_subsidy.csv")),
        epochs=frame,
        known_through=known_through,
        variants=read_variants(packaged("miner_variants.csv")),
        difficulty_source=source.name if source.parent in (BESIDE_THE_CODE, IN_THE_REPOSITORY) else str(source),
    )


@dataclass(frozen=True)
class Line:
    """One data line of a CSV file, which knows where it stands."""

    path: Path
    number: int
    values: dict[str, str]

    def wrong(self, what: str, hint: str) -> DataFileError:
        """The error that names this line."""
        return DataFileError(f"{self.path}, line {self.number}: {what}", hint)

    def get(self, column: str, parse: Callable[[str], T], wanted: str) -> T:
        """One value parsed; DataFileError saying what was wanted."""
        text = (self.values.get(column) or "").strip()
        try:
            return parse(text)
        except (ValueError, InvalidOperation):
            raise self.wrong(f"{column} is {text!r}", f"expected {wanted}") from None


def read_lines(path: Path, columns: tuple[str, ...]) -> tuple[list[Line], dict[str, str]]:
    """The data lines of a CSV file and the `# name: value` comments before them."""
    try:
        text = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise DataFileError(f"{path} cannot be read: {reason}", "give a CSV file") from None
    said = notes(text)
    numbered = [(n, line) for n, line in enumerate(text, 1) if line.strip() and not line.lstrip().startswith("#")]
    reader = csv.DictReader((line for _, line in numbered), skipinitialspace=True)
    header = [name.strip() for name in reader.fieldnames or []]
    missing = [name for name in columns if name not in header]
    if missing:
        found = ", ".join(header) or "nothing"
        raise DataFileError(f"{path} has no column {missing[0]}", f"expected {', '.join(columns)}; found {found}")
    reader.fieldnames = header
    rows = list(reader)
    if len(rows) != len(numbered) - 1:
        raise DataFileError(f"{path} has a value that runs over several lines", "write one line per entry")
    lines = [Line(path, number, row) for (number, _), row in zip(numbered[1:], rows, strict=True)]
    if not lines:
        raise DataFileError(f"{path} holds no data line", f"write one line per entry: {', '.join(columns)}")
    return lines, said


def _positive_float(text: str) -> float:
    number = float(positive(text))
    if number in (0.0, float("inf")):
        raise ValueError(text)
    return number


def read_miners(path: Path) -> pl.DataFrame:
    """schema.MINERS from a CSV file."""
    seen: set[str] = set()
    rows = []
    for line in read_lines(path, ("miner_model", "hashrate_ths", "power_w"))[0]:
        row = _figures(line)
        if row[0] in seen:
            raise line.wrong(f"miner_model {row[0]} is there twice", "keep one of its lines")
        seen.add(row[0])
        rows.append(row)
    return pl.DataFrame(rows, schema=MINERS, orient="row")


def read_variants(path: Path) -> pl.DataFrame:
    """schema.MINERS from a CSV file, a model as often as it has other figures."""
    lines, _ = read_lines(path, ("miner_model", "hashrate_ths", "power_w"))
    return pl.DataFrame([_figures(line) for line in lines], schema=MINERS, orient="row")


def _figures(line: Line) -> tuple[str, float, float]:
    model = (line.values["miner_model"] or "").strip()
    if not model:
        raise line.wrong("the miner_model is blank", "give it a name")
    hashrate = line.get("hashrate_ths", _positive_float, "a hashrate in TH/s above 0")
    return model, hashrate, line.get("power_w", _positive_float, "a power in W above 0")


def read_subsidies(path: Path) -> pl.DataFrame:
    """schema.SUBSIDIES from a CSV file, in order of date."""
    lines, _ = read_lines(path, ("starts_on", "subsidy_btc"))
    rows: list[tuple[date, float]] = []
    for line in lines:
        starts_on = line.get("starts_on", date.fromisoformat, "a date, YYYY-MM-DD")
        if rows and starts_on <= rows[-1][0]:
            raise line.wrong(f"{starts_on} comes after {rows[-1][0]}", "sort the lines by date, one per date")
        rows.append((starts_on, line.get("subsidy_btc", _positive_float, "BTC above 0")))
    return pl.DataFrame(rows, schema=SUBSIDIES, orient="row")


def read_epochs(path: Path) -> tuple[pl.DataFrame, date]:
    """schema.EPOCHS from a CSV file, in order of time, and the last date whose difficulty is known."""
    lines, said = read_lines(path, ("difficulty",))
    column = next((c for c in ("starts_at_utc", "starts_on", "date") if c in lines[0].values), None)
    if column is None:
        raise DataFileError(f"{path} has no column starts_at_utc", "expected starts_at_utc (or date), difficulty")
    rows: list[tuple[int | None, datetime, Decimal]] = []
    for line in lines:
        starts = line.get(column, instant, "a date or time, as 2024-04-20 or 2024-04-20T06:10:11Z")
        if rows and starts <= rows[-1][1]:
            raise line.wrong(f"{starts:%Y-%m-%d %H:%M} comes after {rows[-1][1]:%Y-%m-%d %H:%M}", "sort, one per epoch")
        height = line.get("height", int, "a block height") if line.values.get("height") else None
        rows.append((height, starts, line.get("difficulty", difficulty_number, "a difficulty above 0")))
    return pl.DataFrame(rows, schema=EPOCHS, orient="row"), _known_through(path, said, rows[-1][1])


def _known_through(path: Path, said: dict[str, str], last: datetime) -> date:
    if "known_through" not in said:
        return (last + AFTER_LAST_EPOCH).date()
    try:
        return date.fromisoformat(said["known_through"])
    except ValueError:
        raise DataFileError(f"{path}: known_through is {said['known_through']!r}", "write YYYY-MM-DD") from None
