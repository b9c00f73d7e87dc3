"""The arithmetic of one key, line by line, beside what is stored."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

import polars as pl

from recon.core.errors import ConnectError, ExitCode, document
from recon.core.price import J_PER_MWH, blocks, calculations, hashes, joules_per_hash
from recon.core.schema import BTC, EPOCHS, MINERS, FrameSchema
from recon.core.settings import Settings
from recon.core.shown import Shown
from recon.core.window import check_period, periods_in_day
from recon.core.wording import amount
from recon.postgres.inspect import opened
from recon.postgres.scope import Scope
from recon.postgres.tables import Tables
from recon.reference.reference import Reference
from recon.values.catalogue import Catalogue
from recon.values.judging import Judge
from recon.values.tolerance import Tolerance

MOST_PERIOD = 2**31 - 1
"""What an integer column holds."""
Key = tuple[date, int, str]
"""Settlement date, settlement period and farm."""


@dataclass(frozen=True)
class ModelLine:
    """One miner model's share of the explanation; BTC and difficulty as exact decimals.

    hashes and expected_blocks are those of the energy (whole fleets use less of it); stored: (BTC, difficulty).
    cause: why a row that differs is wrong (schema.CAUSES, or whole: priced as whole machines); because: in words.
    """

    miner_model: str
    hashrate_ths: float
    power_w: float
    joules_per_hash: float
    hashes: float
    expected_blocks: float | None
    bitcoin_mined: Decimal | None
    stored: tuple[tuple[Decimal, Decimal], ...]
    difficulty: Decimal | None
    cause: str | None = None
    because: str | None = None

    @property
    def verdict(self) -> str:
        """agrees | missing | duplicate | differs | blocked."""
        if self.bitcoin_mined is None or self.difficulty is None:
            return "blocked"
        if not self.stored:
            return "missing"
        if len(self.stored) > 1:
            return "duplicate"
        bitcoin, difficulty = self.stored[0]
        near = Tolerance()
        right = near.agrees_exactly(bitcoin, self.bitcoin_mined) and near.agrees_exactly(difficulty, self.difficulty)
        return "agrees" if right else "differs"

    @property
    def stored_texts(self) -> list[tuple[str, str]]:
        """BTC and difficulty of each stored row as they are written."""
        return [(amount(btc), f"{difficulty:f}") for btc, difficulty in self.stored]

    def to_dict(self) -> dict[str, Any]:
        """One entry of `models`."""
        return {
            "miner_model": self.miner_model,
            "hashrate_ths": self.hashrate_ths,
            "power_w": self.power_w,
            "joules_per_hash": self.joules_per_hash,
            "hashes": self.hashes,
            "expected_blocks": self.expected_blocks,
            "bitcoin_mined": None if self.bitcoin_mined is None else f"{self.bitcoin_mined:.8f}",
            "stored": [{"bitcoin_mined": btc, "difficulty": difficulty} for btc, difficulty in self.stored_texts],
            "verdict": self.verdict,
            "cause": self.cause,
            "because": self.because,
        }


MODEL_LINES: FrameSchema = {
    **MINERS,
    **dict.fromkeys(("joules_per_hash", "hashes", "expected_blocks"), pl.Float64),
    "bitcoin_mined": BTC,
    "stored": pl.Int64,
    "difficulty": EPOCHS["difficulty"],
    "verdict": pl.String,
    "cause": pl.String,
}
"""One row per ModelLine."""


@dataclass(frozen=True, repr=False)
class Explanation(Shown):
    """One key: its source rows (MWh as stored, and whether they count), its price and what is stored for it."""

    day: date
    period: int
    farm: str
    fleet: str
    source_rows: tuple[tuple[str | None, bool], ...]
    energy_mwh: float | None
    difficulty: Decimal | None
    subsidy_btc: float | None
    models: tuple[ModelLine, ...]
    orphans: tuple[str, ...]
    nearest: tuple[tuple[date, int, str], ...]

    @property
    def impossible(self) -> str | None:
        """That the day has no such settlement period, so that no row of it can be priced; None where it has."""
        last = periods_in_day(self.day)
        return None if 1 <= self.period <= last else f"{self.day} has settlement periods 1 to {last} only"

    @property
    def joules(self) -> float | None:
        """The key's energy in J; None where it has none."""
        return None if self.energy_mwh is None else self.energy_mwh * J_PER_MWH

    @property
    def exit_code(self) -> ExitCode:
        """0 when every model's one stored row agrees; 4 when the date has no difficulty; else 1."""
        verdicts = {line.verdict for line in self.models}
        if "blocked" in verdicts:
            return ExitCode.INCOMPLETE
        good = self.energy_mwh is not None and verdicts <= {"agrees"} and not self.orphans
        return ExitCode.OK if good else ExitCode.DIFFERENCES

    def to_frame(self) -> pl.DataFrame:
        """One row per miner model: its figures, what was computed, how many rows are stored, and the verdict."""
        rows = [{**vars(line), "stored": len(line.stored), "verdict": line.verdict} for line in self.models]
        return pl.DataFrame(rows, schema=MODEL_LINES)

    @property
    def sentence(self) -> str:
        """The key, its energy in MWh, and each miner model's verdict."""
        energy = "no curtailment" if self.energy_mwh is None else f"{self.energy_mwh:.10g} MWh"
        verdicts = [f"{line.miner_model} {line.verdict}" for line in self.models]
        surplus = [f"{model} orphan" for model in self.orphans]
        return f"{self.day} period {self.period}, {self.farm}: {', '.join([energy, *verdicts, *surplus])}"

    def to_dict(self) -> dict[str, Any]:
        """The JSON document of `recon explain`."""
        return {
            **document("explain"),
            "key": {
                "settlement_date": self.day.isoformat(),
                "settlement_period": self.period,
                "farm_id": self.farm,
            },
            "fleet": self.fleet,
            "impossible": self.impossible,
            "source_rows": [{"volume_mwh": volume, "counts": counts} for volume, counts in self.source_rows],
            "energy_mwh": self.energy_mwh,
            "joules": self.joules,
            "difficulty": None if self.difficulty is None else str(self.difficulty),
            "subsidy_btc": self.subsidy_btc,
            "models": [line.to_dict() for line in self.models],
            "orphan_models": list(self.orphans),
            "nearest": [
                {"settlement_date": day.isoformat(), "settlement_period": period, "farm_id": farm}
                for day, period, farm in self.nearest
            ],
            "agrees": self.exit_code is ExitCode.OK,
        }


def explain(settings: Settings, reference: Reference, day: date, period: int, farm: str, *, name: str) -> Explanation:
    """Everything about one key; read-only. UsageError for a period that the day has not, unless rows stand there."""
    if abs(period) > MOST_PERIOD:
        check_period(day, period)
    try:
        with opened(settings, name) as tables, tables.session.transaction(read_only=True, snapshot=True):
            found = explain_in(tables, reference, (day, period, farm))
    except ConnectError:
        check_period(day, period)
        raise
    if not found.source_rows and not found.orphans:
        check_period(day, period)
    return found


def explain_in(tables: Tables, reference: Reference, key: Key) -> Explanation:
    """The same inside an open transaction."""
    day, period, farm = key
    fleet = tables.session.settings.fleet
    source = tables.rows("values/explain_source", *key)
    stored = tables.rows("values/explain_stored", *key)
    terms = reference.terms([day])
    keys = tables.keys(Scope.of([day], [period]))
    priced = calculations(keys.lazy(), reference.miners.lazy(), terms.lazy(), fleet)
    rows = _with_steps(priced.filter(pl.col("farm_id") == farm)).collect().to_dicts()
    rows.sort(key=lambda row: reference.models.index(row["miner_model"]))
    nearest = [] if rows else tables.rows("values/nearest_keys", *key)
    term = terms.to_dicts()[0]
    lines = [_line(row, stored) for row in rows]
    if any(line.verdict == "differs" for line in lines):
        lines = _with_causes(tables, reference, keys, key, lines)
    return Explanation(
        *key,
        fleet=str(fleet),
        source_rows=tuple((row["volume_mwh"], row["priced"]) for row in source),
        energy_mwh=rows[0]["energy_mwh"] if rows else None,
        difficulty=term["difficulty"],
        subsidy_btc=term["subsidy_btc"],
        models=tuple(lines),
        orphans=tuple(r["miner_model"] for r in stored if not rows or r["miner_model"] not in reference.models),
        nearest=tuple((n["settlement_date"], n["settlement_period"], n["farm_id"]) for n in nearest),
    )


def _with_causes(
    tables: Tables, reference: Reference, keys: pl.DataFrame, key: Key, lines: list[ModelLine]
) -> list[ModelLine]:
    """The lines with why those that differ do, as all values of the settlement period show it. keys: its ENERGY."""
    day, period, farm = key
    judge = Judge(reference, tables.session.settings.fleet)
    judged = judge.stored(tables, keys, Scope.of([day], [period])).filter(pl.col("farm_id") == farm)
    (energy,) = keys.filter(pl.col("farm_id") == farm).get_column("energy_mwh")
    known = Catalogue.of(reference)
    found = {row["miner_model"]: row for row in judged.to_dicts()}

    def with_cause(line: ModelLine) -> ModelLine:
        row = found.get(line.miner_model)
        if row is None or line.verdict != "differs":
            return line
        if row["verdict"] == "whole":
            return replace(line, cause="whole", because="priced as whole machines: right with --fleet whole")
        return replace(line, cause=row["cause"], because=known.because(row, energy))

    return [with_cause(line) for line in lines]


def _with_steps(priced: pl.LazyFrame) -> pl.LazyFrame:
    """Priced rows with the steps in between: `joules_per_hash`, `hashes` and `expected_blocks` of the whole energy."""
    energy = pl.col("energy_mwh")
    steps = {"joules_per_hash": joules_per_hash(), "hashes": hashes(energy)}
    return priced.with_columns(**steps, expected_blocks=blocks(energy, pl.col("difficulty_float")))


def _line(row: dict[str, Any], stored: list[dict[str, Any]]) -> ModelLine:
    figures = ("hashrate_ths", "power_w", "joules_per_hash", "hashes", "expected_blocks", "bitcoin_mined", "difficulty")
    of_model = (r for r in stored if r["miner_model"] == row["miner_model"])
    return ModelLine(
        miner_model=row["miner_model"],
        stored=tuple((_decimal(r["bitcoin_mined"]), _decimal(r["difficulty"])) for r in of_model),
        **{name: row[name] for name in figures},
    )


def _decimal(text: str | None) -> Decimal:
    try:
        return Decimal(text or "NaN")
    except InvalidOperation:
        return Decimal("NaN")
