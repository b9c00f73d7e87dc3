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

from recon.core.schema import MINERS, SUBSIDIES
from recon.reference.data_files import BESIDE_THE_CODE, IN_THE_REPOSITORY, USERS_DIFFICULTY, packaged
from recon.reference.difficulty import lookup
from recon.reference.difficulty.coverage import Coverage
from recon.reference.difficulty.epochs import Epoch, coverage, frame
from recon.reference.difficulty.known import read_known
from recon.reference.miner_models import miner_problem, read_miners, read_variants
from recon.reference.subsidies import read_subsidies, subsidy_on_dates, subsidy_problem


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
        return lookup.decimals(self.epochs)

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
        known = lookup.on_dates(days, self.epochs.lazy(), self.coverage)
        return (
            known.join(subsidy_on_dates(days, self.subsidies.lazy()), on="settlement_date", how="left")
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
        for wrong in map(miner_problem, *(miners.get_column(name) for name in MINERS)):
            if wrong:
                raise ValueError(wrong)
        for before, subsidy_btc in pairwise([None, *subsidies.get_column("subsidy_btc")]):
            if wrong := subsidy_problem(subsidy_btc, before):
                raise ValueError(wrong)
        return replace(self, miners=miners, subsidies=subsidies)


def load(
    miners: Path | None, epochs: Path | None, subsidies: Path | None, user_data_dir: Path, today: date | None = None
) -> Reference:
    """The files given, else the packaged ones; for difficulty, the user's updated file comes before the packaged.

    today: epochs that have not come yet are refused; None where the date is not known.

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
