"""Which repairs a run makes, and when two values agree for it."""

from __future__ import annotations

from dataclasses import dataclass, field

from recon.values.tolerance import Tolerance


@dataclass(frozen=True)
class RepairPolicy:
    """What is repaired (some of missing, wrong, duplicate, orphan), and within which tolerance values agree."""

    repairs: frozenset[str] = frozenset({"missing"})
    tolerance: Tolerance = field(default_factory=Tolerance)

    @property
    def fills(self) -> bool:
        """Whether missing rows are written."""
        return "missing" in self.repairs

    @property
    def changes_rows(self) -> bool:
        """Whether rows that are stored may be replaced or removed."""
        return bool(self.repairs - {"missing"})

    @property
    def removes_rows(self) -> bool:
        """Whether it may remove rows: duplicates and orphans, never wrong ones."""
        return bool(self.repairs & {"duplicate", "orphan"})

    @property
    def updates_rows(self) -> bool:
        """Whether it may give rows other values: wrong ones, and the one that stays of duplicates that are wrong."""
        return bool(self.repairs & {"wrong", "duplicate"})
