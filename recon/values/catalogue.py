"""The figures that can explain a constant ratio between stored and expected BTC."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any

import polars as pl

from recon.reference.reference import Reference
from recon.values.why import implied_mwh

SAME = 1e-4
SAME_EPOCH = 1e-5
"""250 epochs lie close together: a chance match within this is about one in a thousand."""
LARGEST_MULTIPLE = 20


@dataclass(frozen=True)
class Catalogue:
    """The reference data that can explain a ratio. Frames as in `schema`.

    variants: other figures of the same miner models.
    """

    miners: pl.DataFrame
    subsidies: pl.DataFrame
    epochs: pl.DataFrame
    variants: pl.DataFrame

    def explain(self, day: date, model: str, difficulty: float, ratio: float) -> tuple[str, str] | None:
        """Code and cause of a constant ratio on a date whose difficulty is given; None when nothing fits."""
        names = (
            *self._subsidies(day, ratio),
            *self._figures(model, ratio),
            *self._epochs(difficulty / ratio, SAME_EPOCH),
            *self._multiples(ratio),
        )
        return names[0] if names else None

    @classmethod
    def of(cls, reference: Reference) -> Catalogue:
        """All that the reference data can explain."""
        return cls(reference.miners, reference.subsidies, reference.epochs, reference.variants)

    def because(self, row: dict[str, Any], energy_mwh: float) -> str | None:
        """What a wrong row's BTC is right for, in words; None where its cause is nothing that can be named.

        row: a judged one with its cause. energy_mwh: its key's.
        """
        ratio, due = row["ratio"], row["expected_difficulty"]
        if row["cause"] == "wrong_subsidy":
            return min((abs(found - ratio), text) for found, text in self._other_subsidies(row["settlement_date"]))[1]
        if row["cause"] == "wrong_difficulty":
            differs = not _near(row["stored_difficulty"], due, SAME_EPOCH / 10)
            implied = row["stored_difficulty"] if differs else due / ratio
            return next((text for _, text in self._epochs(implied, SAME)), f"difficulty {implied:.0f}, no epoch's")
        if row["cause"] == "wrong_energy":
            energy = implied_mwh(energy_mwh, row["stored_btc"], row["expected_btc"])
            return f"right for {energy:.12g} MWh; the curtailment has {energy_mwh:.12g} MWh"
        return None

    def name_difficulty(self, difficulty: float) -> tuple[str, str]:
        """The epoch that a stored difficulty belongs to, if it is one's."""
        for found in self._epochs(difficulty, 1e-6):
            return found
        return "unknown_difficulty", f"difficulty {difficulty:.0f}, which is no epoch's"

    def _subsidies(self, day: date, ratio: float) -> Iterator[tuple[str, str]]:
        for factor, text in self._other_subsidies(day):
            if _near(ratio, factor, SAME):
                yield "subsidy", text

    def _other_subsidies(self, day: date) -> Iterator[tuple[float, str]]:
        """By how much every other subsidy is off on a date, and in words."""
        due = [btc for starts_on, btc in self.subsidies.iter_rows() if starts_on <= day]
        for _, other in self.subsidies.iter_rows():
            if due and other != due[-1]:
                yield other / due[-1], f"block subsidy {other:g} BTC instead of {due[-1]:g} BTC"

    def _figures(self, model: str, ratio: float) -> Iterator[tuple[str, str]]:
        own = self._efficiency.get(model)
        figures = (*self.miners.iter_rows(), *self.variants.iter_rows())
        for other, hashrate, power in sorted(figures, key=lambda row: row[0] != model):
            factor = hashrate / power / own if own else 1.0
            if own and not _near(factor, 1.0, SAME) and _near(ratio, factor, SAME):
                whose = "other miner figures" if other == model else f"the figures of {other}"
                yield "miner_figures", f"{whose}: {hashrate:g} TH/s at {power:g} W"

    def _epochs(self, difficulty: float, within: float) -> Iterator[tuple[str, str]]:
        best = min(self._known, key=lambda epoch: abs(epoch[1] - difficulty), default=None)
        if best and _near(best[1], difficulty, within):
            yield "difficulty", f"difficulty {best[1]:.0f} of the epoch from {best[0]:%Y-%m-%d}"

    def _multiples(self, ratio: float) -> Iterator[tuple[str, str]]:
        for k in range(2, LARGEST_MULTIPLE + 1):
            if _near(ratio, k, SAME):
                yield "energy_multiplied", f"energy counted {k} times"
            if _near(ratio, 1 / k, SAME):
                yield "energy_divided", f"only 1/{k} of the energy"

    @cached_property
    def _efficiency(self) -> dict[str, float]:
        return {model: hashrate / power for model, hashrate, power in self.miners.iter_rows()}

    @cached_property
    def _known(self) -> list[tuple[Any, float]]:
        return [(starts, float(difficulty)) for _, starts, difficulty in self.epochs.iter_rows()]


def _near(found: float, wanted: float, within: float) -> bool:
    return abs(found - wanted) <= within * abs(wanted)
