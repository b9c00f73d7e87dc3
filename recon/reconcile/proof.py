"""`recon verify`: what the tables hold, date by date, as bytes that are equal when the data are."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Context, Decimal, localcontext
from pathlib import Path
from typing import Any

import polars as pl

from recon.core.errors import DataFileError, ExitCode, UsageError, document
from recon.core.schema import BTC, FrameSchema
from recon.core.shown import Shown
from recon.core.window import Window
from recon.postgres.sql import literal
from recon.reconcile.request import Job

WANTED = "give a file that 'recon verify' wrote"
FIXED = ("date", "curtailment_rows", "keys", "energy_mwh", "rows")
NUMBERS: FrameSchema = {
    **dict.fromkeys(("curtailment_rows", "keys", "rows"), pl.Int64),
    "energy_mwh": pl.Float64,
}


@dataclass(frozen=True)
class DateProof:
    """One settlement date: counts, the exact energy, the exact BTC sum per model, and a checksum of both tables."""

    day: date
    curtailment_rows: int
    keys: int
    energy_mwh: str
    rows: int
    btc: tuple[tuple[str, str], ...]
    checksum: str

    def to_dict(self) -> dict[str, Any]:
        """One entry of `dates`."""
        fixed = (self.day.isoformat(), self.curtailment_rows, self.keys, self.energy_mwh, self.rows)
        return {**dict(zip(FIXED, fixed, strict=True)), "btc": dict(self.btc), "checksum": self.checksum}


@dataclass(frozen=True, repr=False)
class Proof(Shown):
    """The tables of a window as of one moment, in order of date; no clock and no address in it."""

    window: Window
    dates: tuple[DateProof, ...]

    @property
    def checksum(self) -> str:
        """One checksum of all dates."""
        return _sha256(f"{proof.day} {proof.checksum}" for proof in self.dates)

    @property
    def btc(self) -> dict[str, str]:
        """The exact sum of all dates per miner model."""
        models = sorted({model for proof in self.dates for model, _ in proof.btc}, key=str)
        return {model: _sum(dict(proof.btc).get(model, "0") for proof in self.dates) for model in models}

    @property
    def energy_mwh(self) -> str:
        """The exact energy of all dates."""
        return _sum(proof.energy_mwh for proof in self.dates)

    def to_dict(self) -> dict[str, Any]:
        """The JSON document of `recon verify`."""
        return {
            **document("verify"),
            "window": self.window.to_dict(),
            "dates": [proof.to_dict() for proof in self.dates],
            "checksum": self.checksum,
        }

    @property
    def exit_code(self) -> ExitCode:
        """0: a proof says what is there."""
        return ExitCode.OK

    def to_frame(self) -> pl.DataFrame:
        """One row per settlement date, which the CSV calls `date`; the energy as a float, the BTC sums to a satoshi."""
        header, *rows = self._table()
        texts = pl.DataFrame(rows, schema=dict.fromkeys(header, pl.String), orient="row")
        numbers = (
            pl.col(name).cast(BTC if name.startswith("btc_") else NUMBERS.get(name, pl.String), strict=False)
            for name in header[1:]
        )
        days = pl.Series("settlement_date", [proof.day for proof in self.dates], dtype=pl.Date)
        return texts.select(days, *numbers)

    @property
    def sentence(self) -> str:
        """How many dates it is of, and the one checksum."""
        return f"checksum {self.checksum}, settlement dates: {len(self.dates):,}"

    def to_csv(self) -> str:
        """One line per date, one column per miner model found."""
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(self._table())
        return text.getvalue()

    def _table(self) -> list[list[str]]:
        """The header, and one row of texts per date."""
        models = sorted({model for proof in self.dates for model, _ in proof.btc})
        table: list[list[str]] = [[*FIXED, *(f"btc_{model}" for model in models), "checksum"]]
        for proof in self.dates:
            row = proof.to_dict()
            sums = [row["btc"].get(model, "") for model in models]
            table.append([*(str(row[name]) for name in FIXED), *sums, proof.checksum])
        return table


@dataclass(frozen=True)
class Comparison:
    """What became of a window since an earlier proof: dates by how they differ, each in order."""

    changed: tuple[date, ...]
    added: tuple[date, ...]
    removed: tuple[date, ...]

    @property
    def equal(self) -> bool:
        """Whether nothing changed."""
        return not (self.changed or self.added or self.removed)

    def to_dict(self) -> dict[str, list[str]]:
        """`{"changed": [...], "added": [...], "removed": [...]}`."""
        return {name: [str(day) for day in days] for name, days in vars(self).items()}


def prove(job: Job, window: Window) -> Proof:
    """The proof of a window; both tables as of one moment, read-only."""
    first, last = window.bounds
    bounds = {"first": literal(first), "last": literal(last)}
    with job.opened() as tables, tables.session.transaction(read_only=True, snapshot=True):
        source = tables.rows("reconcile/proof_source", **bounds)
        stored = tables.rows("reconcile/proof_stored", **bounds)
    return Proof(window, tuple(_dates(source, stored)))


def _dates(source: list[dict[str, Any]], stored: list[dict[str, Any]]) -> Iterable[DateProof]:
    curtailment = {row["settlement_date"]: row for row in source}
    models: dict[date, list[dict[str, Any]]] = {row["settlement_date"]: [] for row in [*source, *stored]}
    for row in stored:
        models[row["settlement_date"]].append(row)
    nothing = {"curtailment_rows": 0, "keys": 0, "energy_mwh": "0", "checksum": ""}
    for day in sorted(models):
        side, rows = curtailment.get(day, nothing), models[day]
        facts = (f"{side['curtailment_rows']} {side['keys']} {side['energy_mwh']} {side['checksum']}",)
        lines = (f"{json.dumps(row['miner_model'])} {row['rows']} {row['checksum']}" for row in rows)
        yield DateProof(
            day,
            side["curtailment_rows"],
            side["keys"],
            side["energy_mwh"],
            sum(row["rows"] for row in rows),
            tuple((row["miner_model"], row["btc"]) for row in rows),
            _sha256([*facts, *lines]),
        )


def _sum(numbers: Iterable[str]) -> str:
    with localcontext(Context(prec=200, traps=[])):  # whatever a numeric holds; both infinities are NaN
        return str(sum(map(Decimal, numbers), Decimal(0)))


def _sha256(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


@dataclass(frozen=True)
class Earlier:
    """What a proof's file says: its window (a CSV file does not know it: all dates), and one checksum per date."""

    window: Window
    checksums: dict[date, str]


def compare(now: Proof, earlier: Earlier) -> Comparison:
    """The dates within both windows that differ."""
    before = {day: checksum for day, checksum in earlier.checksums.items() if day in now.window}
    after = {proof.day: proof.checksum for proof in now.dates if proof.day in earlier.window}
    both = before.keys() & after.keys()
    return Comparison(
        changed=tuple(sorted(day for day in both if before[day] != after[day])),
        added=tuple(sorted(after.keys() - before.keys())),
        removed=tuple(sorted(before.keys() - after.keys())),
    )


def read(path: Path) -> Earlier:
    """An earlier proof from its JSON or CSV file; DataFileError when it is none."""
    try:
        text = path.read_text(encoding="utf-8")
        document = _document(text)
        checksums = {date.fromisoformat(row["date"]): str(row["checksum"]) for row in document["dates"]}
        ends = document["window"]
        return Earlier(Window.parse(ends["first"], ends["last"]), checksums)
    except OSError as error:
        raise DataFileError(f"{path} cannot be read: {error.strerror}", WANTED) from None
    except (ValueError, KeyError, TypeError, UsageError) as error:
        raise DataFileError(f"{path} is no proof: {error!r}", WANTED) from None


def _document(text: str) -> dict[str, Any]:
    """The `dates` and the `window` of a proof, whichever its format."""
    if text.lstrip().startswith("{"):
        return dict(json.loads(text))
    lines = csv.DictReader(io.StringIO(text))
    absent = {"date", "checksum"} - {*(lines.fieldnames or ())}
    if absent:
        raise ValueError(f"no column {min(absent)}")
    return {"dates": list(lines), "window": Window().to_dict()}
