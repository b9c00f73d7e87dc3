"""Reference data: miner models, block subsidies and difficulty epochs, from CSV files that can be replaced."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl

from recon import difficulty
from recon.coverage import Coverage
from recon.data_lines import Line, lines_of, shown
from recon.difficulty_files import read
from recon.difficulty_merge import settled
from recon.difficulty_rules import refuse
from recon.epochs import Epoch, coverage, frame
from recon.errors import DataFileError
from recon.reading import unmistakable
from recon.schema import MINERS, SUBSIDIES

BESIDE_THE_CODE = Path(__file__).parent / "data"
IN_THE_REPOSITORY = Path(__file__).parent.parent / "data"
USERS_DIFFICULTY = "difficulty.csv"
LEAST_J_PER_TH, MOST_J_PER_TH = 0.1, 10_000
BOUNDS_J_PER_TH = f"{LEAST_J_PER_TH} to {MOST_J_PER_TH:,} J/TH"
"""From below the best machine to above the first one that was made for it: beyond, a unit is off by a thousand."""
HALVINGS = tuple(50 / 2**n for n in range(33))


def packaged(name: str) -> Path:
    """A file of `data/`, which travels inside an installed package."""
    return (BESIDE_THE_CODE if BESIDE_THE_CODE.is_dir() else IN_THE_REPOSITORY) / name


@dataclass(frozen=True)
class Reference:
    """Everything that prices energy. Frames as in `schema`; known: the epochs of difficulty, bounded.

    variants: other figures of the same miner models, which price nothing but explain wrong values.
    """

    miners: pl.DataFrame
    subsidies: pl.DataFrame
    known: tuple[Epoch, ...]
    difficulty_source: str
    variants: pl.DataFrame

    @property
    def models(self) -> tuple[str, ...]:
        """The configured miner models, in the file's order."""
        return tuple(self.miners.get_column("miner_model"))

    @cached_property
    def epochs(self) -> pl.DataFrame:
        """schema.EPOCHS."""
        return frame(self.known)

    @cached_property
    def coverage(self) -> Coverage:
        """The dates whose difficulty is known."""
        return coverage(self.known)

    @property
    def known_through(self) -> date:
        """The last date whose difficulty is known; dates before it may be in a hole."""
        return self.coverage.known_through

    @cached_property
    def difficulty_decimals(self) -> int:
        """The decimals that difficulties are stored with."""
        return difficulty.decimals(self.epochs)

    @cached_property
    def checksum(self) -> str:
        """SHA-256 of what the data say, however their files are written."""
        frames = (self.miners.sort("miner_model"), self.subsidies, self.epochs)
        text = "\n".join(frame.write_csv() for frame in frames) + str(self.known_through)
        text += "".join(f"{first}-{last}" for first, last in self.coverage.holes)
        return hashlib.sha256(text.encode()).hexdigest()

    def terms(self, dates: Iterable[date]) -> pl.DataFrame:
        """One row per date: `difficulty` (Decimal) and `subsidy_btc`, null where unknown."""
        days = pl.LazyFrame({"settlement_date": sorted(set(dates))}, schema={"settlement_date": pl.Date})
        known = difficulty.on_dates(days, self.epochs.lazy(), self.coverage)
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
        for wrong in map(miner_trouble, *(miners.get_column(name) for name in MINERS)):
            if wrong:
                raise ValueError(wrong)
        for before, subsidy_btc in pairwise([None, *subsidies.get_column("subsidy_btc")]):
            if wrong := subsidy_trouble(subsidy_btc, before):
                raise ValueError(wrong)
        return replace(self, miners=miners, subsidies=subsidies)


def load(
    miners: Path | None, epochs: Path | None, subsidies: Path | None, user_data_dir: Path, today: date | None = None
) -> Reference:
    """The files given, else the packaged ones; for difficulty, the user's updated file comes before the packaged.

    today: epochs that have not come yet are refused; None where nobody knows the date.

    DataFileError names file and line of the first thing that cannot be right.
    """
    updated = user_data_dir / USERS_DIFFICULTY
    source = epochs or (updated if updated.exists() else packaged("difficulty.csv"))
    return Reference(
        miners=read_miners(miners or packaged("miner_models.csv")),
        subsidies=read_subsidies(subsidies or packaged("block_subsidy.csv")),
        known=read_known(source, today),
        variants=read_variants(packaged("miner_variants.csv")),
        difficulty_source=source.name if source.parent in (BESIDE_THE_CODE, IN_THE_REPOSITORY) else str(source),
    )


def text_of(path: Path) -> str:
    """The text of a data file; DataFileError when it cannot be read."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise DataFileError(f"{path} cannot be read: {reason}", "give a CSV file") from None


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


def read_miners(path: Path) -> pl.DataFrame:
    """schema.MINERS from a CSV file."""
    seen: set[str] = set()
    rows = []
    for line in read_lines(path, tuple(MINERS)):
        row = _figures(line)
        if row[0] in seen:
            raise line.wrong(f"miner_model {row[0]} is there twice", "keep one of its lines")
        seen.add(row[0])
        rows.append(row)
    return pl.DataFrame(rows, schema=MINERS, orient="row")


def read_variants(path: Path) -> pl.DataFrame:
    """schema.MINERS from a CSV file, a model as often as it has other figures."""
    return pl.DataFrame([_figures(line) for line in read_lines(path, tuple(MINERS))], schema=MINERS, orient="row")


def _figures(line: Line) -> tuple[str, float, float]:
    model = (line.values["miner_model"] or "").strip()
    if not model:
        raise line.wrong("the miner_model is blank", "give it a name")
    hashrate_ths = line.get("hashrate_ths", _positive_float, "a hashrate in TH/s above 0")
    power_w = line.get("power_w", _positive_float, "a power in W above 0")
    if wrong := miner_trouble(model, hashrate_ths, power_w):
        raise line.wrong(wrong, f"a miner takes {BOUNDS_J_PER_TH}: give its hashrate in TH/s and its power in W")
    return model, hashrate_ths, power_w


def _positive_float(text: str) -> float:
    number = float(unmistakable(text))
    if number in (0.0, float("inf")):
        raise ValueError(text)
    return number


def miner_trouble(model: str, hashrate_ths: float, power_w: float) -> str | None:
    """What is wrong with a machine whose unit is off by a thousand, if it is.

    >>> miner_trouble("S9", 13.5, 1323), miner_trouble("S9", 13500, 1323)
    (None, 'S9 takes 0.098 J/TH (1323 W for 13500 TH/s)')
    """
    j_per_th = power_w / hashrate_ths if hashrate_ths > 0 else float("inf")
    if LEAST_J_PER_TH <= j_per_th <= MOST_J_PER_TH:
        return None
    return f"{shown(model)} takes {j_per_th:.4g} J/TH ({power_w:.6g} W for {hashrate_ths:.6g} TH/s)"


def read_subsidies(path: Path) -> pl.DataFrame:
    """schema.SUBSIDIES from a CSV file, in order of date."""
    rows: list[tuple[date, float]] = []
    for line in read_lines(path, tuple(SUBSIDIES)):
        starts_on = line.get("starts_on", date.fromisoformat, "a date, YYYY-MM-DD")
        if rows and starts_on <= rows[-1][0]:
            raise line.wrong(f"{starts_on} comes after {rows[-1][0]}", "sort the lines by date, one per date")
        subsidy_btc = line.get("subsidy_btc", _positive_float, "BTC above 0")
        if wrong := subsidy_trouble(subsidy_btc, rows[-1][1] if rows else None):
            raise line.wrong(wrong, "a block pays 50 BTC, halved time after time: 50, 25, 12.5, 6.25, 3.125, ...")
        rows.append((starts_on, subsidy_btc))
    return pl.DataFrame(rows, schema=SUBSIDIES, orient="row")


def subsidy_trouble(subsidy_btc: float, before: float | None) -> str | None:
    """What is wrong with a block subsidy that no halving leads to; halves of floats are exact.

    >>> subsidy_trouble(3.125, 6.25), subsidy_trouble(3125, None)
    (None, 'subsidy_btc is 3125, which is no halving of 50')
    """
    if subsidy_btc not in HALVINGS:
        return f"subsidy_btc is {subsidy_btc:.15g}, which is no halving of 50"
    if before is not None and HALVINGS.index(subsidy_btc) != HALVINGS.index(before) + 1:
        return f"subsidy_btc is {subsidy_btc:.15g} after {before:.15g}, which is not the half of it"
    return None


def read_epochs(path: Path, today: date | None = None) -> tuple[pl.DataFrame, Coverage]:
    """schema.EPOCHS from a file of difficulties, in order of time, and the dates that they cover."""
    known = read_known(path, today)
    return frame(known), coverage(known)


def read_known(path: Path, today: date | None = None) -> tuple[Epoch, ...]:
    """The epochs of a file of difficulties; DataFileError when it cannot be right."""
    source = refuse(read(text_of(path), str(path)), str(path), today)
    return settled(source.epochs, read_known(packaged("difficulty.csv"))) if source.daily else source.epochs
