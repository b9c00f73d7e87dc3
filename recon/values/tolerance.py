"""When two values agree."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from recon.core.errors import UsageError
from recon.core.settings import DEFAULT_ATOL_BTC, DEFAULT_RTOL

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class Tolerance:
    """Values agree within atol (BTC) + rtol x expected; difficulties within rtol."""

    atol_btc: float = DEFAULT_ATOL_BTC
    rtol: float = DEFAULT_RTOL

    def __post_init__(self) -> None:
        if not (self.atol_btc >= 0 and 0 <= self.rtol <= 1):
            raise UsageError(f"the tolerance is {self.atol_btc:g} BTC and {self.rtol:g}", "neither is negative")

    @property
    def options(self) -> list[str]:
        """The options that say so, where it is not the usual one.

        >>> Tolerance(atol_btc=1e-6).options
        ['--atol', '1e-06']
        """
        given = {"--atol": (self.atol_btc, DEFAULT_ATOL_BTC), "--rtol": (self.rtol, DEFAULT_RTOL)}
        return [word for option, (own, usual) in given.items() if own != usual for word in (option, repr(own))]

    def agrees(self, stored: pl.Expr, wanted: pl.Expr, slack: pl.Expr | float = 1.0) -> pl.Expr:
        """Whether BTC agree; null and NaN never do."""
        close = (stored - wanted).abs() <= self.atol_btc * slack + self.rtol * wanted.abs()
        return (close & stored.is_finite()).fill_null(False)

    def agrees_exactly(self, stored: Decimal, expected: Decimal) -> bool:
        """Whether two decimals agree as `agrees` has it, without rounding them to binary; NaN never does."""
        atol, rtol = Decimal(str(self.atol_btc)), Decimal(str(self.rtol))
        return stored.is_finite() and abs(stored - expected) <= atol + rtol * abs(expected)

    def same_difficulty(self, stored: pl.Expr, wanted: pl.Expr) -> pl.Expr:
        """Whether difficulties agree: files round them differently."""
        close = (stored - wanted).abs() <= self.rtol * wanted.abs()
        return (close & stored.is_finite()).fill_null(False)
