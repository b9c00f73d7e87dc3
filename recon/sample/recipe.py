"""What a sample is made from: dates and a seed, and the noise that follows from them alone.

Every number is a hash of (seed, purpose, cell), so that a date does not depend on which other dates are generated,
and only integers and exactly rounded arithmetic are used, so that no mathematics library can change a digit.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from hashlib import blake2b

import polars as pl

from recon.core.errors import UsageError


@dataclass(frozen=True)
class Recipe:
    """What to generate: these settlement dates, from this seed."""

    dates: tuple[date, ...]
    seed: int

    def noise(self, purpose: str, cell: pl.Expr) -> pl.Expr:
        """A number in [0, 1) for each cell (a non-negative integer), another one for each purpose."""
        salt = int.from_bytes(blake2b(f"{self.seed}/{purpose}".encode(), digest_size=8).digest())
        mixed = _mixed(_u64(salt) + cell.cast(pl.UInt64) * _u64(0x9E3779B97F4A7C15))
        return (mixed // _u64(2**11)).cast(pl.Float64) * 2.0**-53


def _u64(value: int) -> pl.Expr:
    return pl.lit(value, dtype=pl.UInt64)


def _mixed(state: pl.Expr) -> pl.Expr:
    """The finalizer of splitmix64 (Steele, Lea and Flood, 2014); unsigned arithmetic wraps."""
    state = (state ^ (state // _u64(2**30))) * _u64(0xBF58476D1CE4E5B9)
    state = (state ^ (state // _u64(2**27))) * _u64(0x94D049BB133111EB)
    return state ^ (state // _u64(2**31))


def consecutive(days: int, seed: int, first: date, known_through: date) -> Recipe:
    """`days` dates from `first`; UsageError when there is none, or when difficulty is not known for all of them."""
    most = (known_through - first).days + 1
    if most < 1:
        raise UsageError(f"--start is {first}", f"difficulty is known through {known_through}: start earlier")
    if not 1 <= days <= most:
        raise UsageError(
            f"--days is {days}", f"give 1 to {most}: the sample starts on {first}, difficulty ends on {known_through}"
        )
    return Recipe(tuple(first + timedelta(days=n) for n in range(days)), seed)
