"""The manifest of an export: its files with checksums, its parameters, and the values that were left out."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from recon.core.window import Window

FORMAT_VERSION = 1
MEANING = {
    "settlement_date": "the key: settlement date, ...",
    "settlement_period": "... half-hour settlement period, ...",
    "farm_id": "... and farm; one row per key that can be priced",
    "energy_mwh": "MWh: the sum of |volume| over the key's rows",
    "btc_MODEL": "BTC as stored, to a satoshi; null when no row is stored, or none that is right",
    "difficulty": "in force at 00:00 UTC of the date; null when it is not known",
    "subsidy_btc": "BTC per block on the date",
}


@dataclass(frozen=True)
class DateFacts:
    """One settlement date of the curtailment when it was exported."""

    day: date
    curtailment_rows: int
    invalid: int
    keys: int


@dataclass(frozen=True)
class Month:
    """One file of an export. expected: its keys x miner models; left_out: why some of these are null, and how many.

    rounded: values that are stored with more than 8 decimals.
    """

    month: str
    rows: int
    size: int
    sha256: str
    expected: int
    left_out: dict[str, int]
    rounded: int
    dates: tuple[DateFacts, ...]

    def to_dict(self) -> dict[str, Any]:
        """One entry of `months`."""
        dates = {str(d.day): {n: v for n, v in vars(d).items() if n != "day"} for d in self.dates}
        return {**vars(self), "dates": dates}

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> Month:
        """ValueError, TypeError, KeyError or AttributeError when it is none."""
        if not re.fullmatch(r"\d{4}-\d\d", document["month"]):
            raise ValueError(document["month"])
        dates = tuple(DateFacts(date.fromisoformat(day), **facts) for day, facts in document["dates"].items())
        return cls(**{**document, "dates": dates})


@dataclass(frozen=True)
class Manifest:
    """An export. form: parquet | csv. parameters: what decides its values. unfinished: months that an export which was
    interrupted has yet to write.
    """

    form: str
    models: tuple[str, ...]
    window: Window
    parameters: dict[str, Any]
    version: str
    months: tuple[Month, ...] = ()
    unfinished: tuple[str, ...] = ()

    def with_month(self, name: str, month: Month | None) -> Manifest:
        """The same export once a month's file is written anew, or is gone (None)."""
        others = [other for other in self.months if other.month != name]
        months = sorted([*others, *([month] if month else [])], key=lambda found: found.month)
        return replace(self, months=tuple(months), unfinished=tuple(n for n in self.unfinished if n != name))

    def to_json(self) -> str:
        """The file's text; no clock in it: equal exports have equal manifests."""
        document = {
            "format_version": FORMAT_VERSION,
            "recon_version": self.version,
            "format": self.form,
            "miner_models": list(self.models),
            "columns": MEANING,
            "window": self.window.to_dict(),
            "parameters": self.parameters,
            "totals": totals(self.months),
            "unfinished": list(self.unfinished),
            "months": [month.to_dict() for month in self.months],
        }
        return json.dumps({**document, "checksum": _checksum(document)}, indent=1, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Manifest:
        """ValueError when it is none, or not as it was written."""
        try:
            document = dict(json.loads(text))
            if document.pop("checksum") != _checksum(document):
                raise ValueError("it was altered")
            if document["format_version"] != FORMAT_VERSION:
                raise ValueError(f"its format is version {document['format_version']}, not {FORMAT_VERSION}")
            return cls(
                form=document["format"],
                models=tuple(document["miner_models"]),
                window=Window.parse(document["window"]["first"], document["window"]["last"]),
                parameters=document["parameters"],
                version=document["recon_version"],
                months=tuple(map(Month.from_dict, document["months"])),
                unfinished=tuple(document["unfinished"]),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(repr(error)) from None


def totals(months: Iterable[Month]) -> dict[str, Any]:
    """Rows, and BTC values expected, exported, left out by reason, and rounded."""
    left_out: Counter[str] = Counter()
    sums = dict.fromkeys(("rows", "expected", "rounded"), 0)
    for month in months:
        left_out.update(month.left_out)
        sums = {name: total + getattr(month, name) for name, total in sums.items()}
    exported = sums["expected"] - left_out.total()
    return {**sums, "exported": exported, "left_out": dict(sorted(left_out.items()))}


def _checksum(document: dict[str, Any]) -> str:
    text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def reaches(window: Window, month: str) -> bool:
    """Whether the window has a date of the month.

    >>> [reaches(Window.parse("2024-03-31", None), month) for month in ("2024-02", "2024-03", "2024-04")]
    [False, True, True]
    """
    first, last = window.bounds
    return first.isoformat()[:7] <= month <= last.isoformat()[:7]


def by_month(days: Iterable[date]) -> dict[str, list[date]]:
    """Dates by their month, both in order.

    >>> {month: len(days) for month, days in by_month([date(2024, 4, 1), date(2024, 3, 31)]).items()}
    {'2024-03': 1, '2024-04': 1}
    """
    months: dict[str, list[date]] = {}
    for day in sorted(days):
        months.setdefault(day.isoformat()[:7], []).append(day)
    return months
