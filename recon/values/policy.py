"""Which repairs a run makes, and how many stored rows it may change."""

from __future__ import annotations

from dataclasses import dataclass, field

from recon.core.settings import ChangeLimit
from recon.values.tolerance import Tolerance


@dataclass(frozen=True)
class Mending:
    """What is repaired, when values agree, and how many stored rows may be replaced or removed."""

    repairs: frozenset[str] = frozenset({"missing"})
    tolerance: Tolerance = field(default_factory=Tolerance)
    limit: ChangeLimit = field(default_factory=ChangeLimit)

    @property
    def changes_rows(self) -> bool:
        """Whether it may touch rows that are there."""
        return bool(self.repairs - {"missing"})

    @property
    def removes_rows(self) -> bool:
        """Whether it may remove rows: duplicates and orphans, never stale ones."""
        return bool(self.repairs & {"duplicate", "orphan"})

    @property
    def updates_rows(self) -> bool:
        """Whether it may give rows other values: stale ones, and the one that stays of duplicates that are wrong."""
        return bool(self.repairs & {"stale", "duplicate"})
