"""Sample data: the two tables as they are found in practice, invented from a seed, with every fault counted.

The same recipe gives the same frames on every machine. What is in them and what a status of them must say is in the
manifest, which is written next to the files.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import polars as pl

from recon.core.errors import UsageError
from recon.core.schema import BTC, CALC_KEY, CALC_KEY_SCHEMA, KEY
from recon.reference.reference import Reference
from recon.sample import files
from recon.sample.curtailment import curtailment, farms, key_cell
from recon.sample.faults import pairs, stored, tally
from recon.sample.files import Manifest, check_free
from recon.sample.recipe import Recipe, consecutive

GENERATOR_VERSION = 1
"""Raise it when the same recipe gives other frames."""

PACKAGED_SEED = 38


def _range(first: date, last: date) -> tuple[date, ...]:
    return tuple(first + timedelta(days=n) for n in range((last - first).days + 1))


PACKAGED = Recipe(
    _range(date(2024, 3, 20), date(2024, 4, 30)) + _range(date(2024, 10, 20), date(2024, 11, 5)), PACKAGED_SEED
)
"""The sample that comes with recon: both clock changes (46 and 50 periods) and the halving of 2024-04-20."""


@dataclass(frozen=True)
class Sample:
    """Both tables as frames (without their ids), and the manifest that describes them."""

    curtailment: pl.DataFrame
    calculations: pl.DataFrame
    manifest: Manifest


def write(directory: Path, *, first: date, days: int, seed: int, reference: Reference, force: bool = False) -> Manifest:
    """Writes the sample of `days` consecutive dates; its manifest.

    UsageError when difficulty is not known for all of them, or when the directory holds something else.
    """
    check_free(directory, force=force)
    return _write(directory, generate(consecutive(days, seed, first, reference.coverage.through(first)), reference))


def write_packaged(directory: Path, reference: Reference) -> Manifest:
    """Writes the sample that comes with recon; its manifest."""
    return _write(directory, generate(PACKAGED, reference))


def _write(directory: Path, sample: Sample) -> Manifest:
    files.write(directory, sample.curtailment, sample.calculations, sample.manifest)
    return sample.manifest


def generate(recipe: Recipe, reference: Reference) -> Sample:
    """The sample of a recipe: UsageError when a date has no difficulty. 1,200 days take a few seconds."""
    terms = reference.terms(list(recipe.dates))
    unknown = terms.filter(pl.any_horizontal(pl.col("difficulty", "subsidy_btc").is_null()))
    if unknown.height:
        first = min(unknown.get_column("settlement_date").to_list())
        raise UsageError(f"no difficulty for {unknown.height} dates, first {first}", "choose other dates")
    halvings = reference.subsidies.get_column("starts_on").to_list()
    records = curtailment(recipe, halvings)
    wanted = pairs(recipe, energy(records), reference.miners, terms)
    rows = stored(recipe, wanted)
    manifest = _manifest(recipe, records, wanted, rows)
    return Sample(records, _table(rows, reference.difficulty_decimals), manifest)


def energy(records: pl.DataFrame) -> pl.DataFrame:
    """One row per KEY with its `cell` and energy_mwh, summed exactly and read as a float once, as the server does."""
    keys = records.group_by(KEY).agg(energy_mwh=pl.col("volume").abs().sum()).sort(KEY)
    return keys.join(farms().select("farm_id", "farm"), on="farm_id", maintain_order="left").select(
        *KEY, pl.col("energy_mwh").cast(pl.String).cast(pl.Float64), cell=key_cell()
    )


def _table(rows: pl.DataFrame, difficulty_decimals: int) -> pl.DataFrame:
    calculated = pl.col("settlement_date").cast(pl.Datetime("us")) + pl.duration(days=2, hours=6)
    return rows.select(
        *CALC_KEY,
        pl.col("bitcoin_mined").cast(BTC),
        pl.col("difficulty").cast(pl.Decimal(38, difficulty_decimals)),
        calculated_at=calculated,
    ).cast(CALC_KEY_SCHEMA)  # type: ignore[arg-type]


def _manifest(recipe: Recipe, records: pl.DataFrame, wanted: pl.DataFrame, rows: pl.DataFrame) -> Manifest:
    keys = records.group_by(KEY).agg(mwh=pl.col("volume").sum())
    faults = tally(wanted, rows)
    missing, duplicate, orphan = (sum(faults[name].values()) for name in ("missing", "duplicate", "orphan"))
    return {
        "generator_version": GENERATOR_VERSION,
        "seed": recipe.seed,
        "days": len(recipe.dates),
        "ranges": [[first.isoformat(), last.isoformat()] for first, last in _ranges(recipe.dates)],
        "farms": records.get_column("farm_id").n_unique(),
        "curtailment_rows": records.height,
        "calculation_rows": rows.height,
        "keys": keys.height,
        "zero_volume_keys": keys.filter(pl.col("mwh") == 0).height,
        "miner_models": wanted.get_column("miner_model").unique(maintain_order=True).to_list(),
        "expected": wanted.height,
        "matched": wanted.height - missing,
        "missing": missing,
        "duplicate": duplicate,
        "orphan": orphan,
        "wrong": sum(faults["wrong"].values()),
        **{f"{name}_by_kind": counts for name, counts in faults.items()},
    }


def _ranges(dates: tuple[date, ...]) -> list[tuple[date, date]]:
    """Sorted dates as inclusive ranges without gaps."""
    ranges: list[tuple[date, date]] = []
    for day in dates:
        if ranges and day - ranges[-1][1] == timedelta(days=1):
            ranges[-1] = (ranges[-1][0], day)
        else:
            ranges.append((day, day))
    return ranges
