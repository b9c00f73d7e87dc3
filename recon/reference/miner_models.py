"""Miner models: hashrate (TH/s) and power (W), read and checked."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from recon.core.schema import MINERS
from recon.reference.data_lines import Line, read_lines, shown
from recon.reference.numbers import unmistakable

LEAST_J_PER_TH, MOST_J_PER_TH = 0.1, 10_000
BOUNDS_J_PER_TH = f"{LEAST_J_PER_TH} to {MOST_J_PER_TH:,} J/TH"
"""From below the best machine to above the first one that was made for it: beyond, a unit is off by a thousand."""


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
    hashrate_ths = line.get("hashrate_ths", positive_float, "a hashrate in TH/s above 0")
    power_w = line.get("power_w", positive_float, "a power in W above 0")
    if wrong := miner_problem(model, hashrate_ths, power_w):
        raise line.wrong(wrong, f"a miner takes {BOUNDS_J_PER_TH}: give its hashrate in TH/s and its power in W")
    return model, hashrate_ths, power_w


def positive_float(text: str) -> float:
    """A number above zero, below infinity; ValueError for others."""
    number = float(unmistakable(text))
    if number in (0.0, float("inf")):
        raise ValueError(text)
    return number


def miner_problem(model: str, hashrate_ths: float, power_w: float) -> str | None:
    """Why a machine's figures cannot be right (a unit off by a thousand); None where they can.

    >>> miner_problem("S9", 13.5, 1323), miner_problem("S9", 13500, 1323)
    (None, 'S9 takes 0.098 J/TH (1323 W for 13500 TH/s)')
    """
    j_per_th = power_w / hashrate_ths if hashrate_ths > 0 else float("inf")
    if LEAST_J_PER_TH <= j_per_th <= MOST_J_PER_TH:
        return None
    return f"{shown(model)} takes {j_per_th:.4g} J/TH ({power_w:.6g} W for {hashrate_ths:.6g} TH/s)"
