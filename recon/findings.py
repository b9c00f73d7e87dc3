"""What gaps have in common: patterns that tell how they came about, each with an advice that can be run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl

from recon.report import Status

CLUSTER_SHARE = 0.5
"""A month that holds at least this share of all missing rows is worth naming."""


@dataclass(frozen=True)
class Finding:
    """One pattern: a stable code, how severe it is (error | warning | info), how many, one example, what to do."""

    code: str
    severity: str
    count: int
    example: str
    advice: str

    def to_dict(self) -> dict[str, Any]:
        """One entry of `findings`."""
        return dict(vars(self))


def count_findings(found: Status) -> list[Finding]:
    """The patterns that the counts per date and model show."""
    candidates = (
        _empty_dates(found),
        _absent_models(found),
        _clustered_month(found),
        _surplus(found, "duplicate", "duplicates", "several rows of one key and model"),
        _surplus(found, "orphan", "orphans", "rows without curtailment, or of a model that is not configured"),
        _invalid(found),
    )
    return [finding for finding in candidates if finding is not None]


def _range(days: Sequence[date]) -> str:
    return f"{min(days)}" if len(days) == 1 else f"{min(days)} to {max(days)}"


def _fix_command(days: Sequence[date]) -> str:
    return f"recon date {days[0]}" if len(days) == 1 else f"recon range {min(days)} {max(days)}"


def _days(frame: pl.DataFrame) -> list[date]:
    return frame.get_column("settlement_date").unique().sort().to_list()


def _empty_dates(found: Status) -> Finding | None:
    days = _days(found.dates.filter((pl.col("expected") > 0) & (pl.col("matched") == 0)))
    if not days:
        return None
    return Finding("empty_dates", "error", len(days), f"{days[-1]} has no calculation at all", _fix_command(days))


def _absent_models(found: Status) -> Finding | None:
    """A model missing for a whole date that the others have: a crash between models."""
    begun = found.dates.filter(pl.col("matched") > 0).select("settlement_date")
    sides = found.counts.filter((pl.col("expected") > 0) & (pl.col("matched") == 0))
    absent = sides.join(begun, on="settlement_date", how="semi").sort("settlement_date", "miner_model")
    if absent.is_empty():
        return None
    days, last = _days(absent), absent.row(-1, named=True)
    example = f"{last['settlement_date']} has other models but no {last['miner_model']}"
    return Finding("missing_models", "error", len(days), example, _fix_command(days))


def _clustered_month(found: Status) -> Finding | None:
    months = found.months.filter(pl.col("missing") > 0).sort("missing", descending=True)
    total = found.total("missing")
    if months.height < 2 or months.row(0, named=True)["missing"] < CLUSTER_SHARE * total:
        return None
    worst = months.row(0, named=True)
    month = worst["month"]
    inside = found.incomplete.filter(pl.col("settlement_date").dt.strftime("%Y-%m") == month)
    example = f"{month} holds {worst['missing']} of the {total} missing rows"
    return Finding("clustered_by_month", "warning", worst["missing"], example, _fix_command(_days(inside)))


def _surplus(found: Status, column: str, code: str, what: str) -> Finding | None:
    dates = found.dates.filter(pl.col(column) > 0).sort(column, "settlement_date")
    if dates.is_empty():
        return None
    worst = dates.row(-1, named=True)
    example = f"{worst['settlement_date']} has {worst[column]} {what}"
    advice = f"{_fix_command(_days(dates))} --repair {column} --dry-run"
    return Finding(code, "error", found.total(column), example, advice)


def _invalid(found: Status) -> Finding | None:
    dates = found.source.filter(pl.col("invalid") > 0).sort("invalid", "settlement_date")
    if dates.is_empty():
        return None
    worst = dates.row(-1, named=True)
    example = f"{worst['settlement_date']} has {worst['invalid']} rows that cannot be priced"
    advice = "correct the settlement period or volume in the source; recon never changes it"
    return Finding("invalid_source_rows", "warning", int(dates.get_column("invalid").sum()), example, advice)


def index_finding(statement: str) -> Finding:
    """No unique index: nothing keeps other programs from writing duplicates."""
    return Finding("no_unique_index", "warning", 1, statement, "recon init --unique-index")


def recommendations(found: Status, findings: Sequence[Finding], blocked: Sequence[date]) -> list[tuple[str, str]]:
    """Commands to run with the reason for each, most useful first: recent dates first, then the rest."""
    missing = found.dates.filter((pl.col("missing") > 0) & ~pl.col("settlement_date").is_in(list(blocked)))
    days = _days(missing)
    advice: list[tuple[str, str]] = []
    if days:
        newest = missing.sort("settlement_date").row(-1, named=True)
        advice.append((f"recon date {newest['settlement_date']}", f"the newest gap: {newest['missing']} rows"))
    if len(days) > 1:
        rows = int(missing.get_column("missing").sum())
        window = found.window.first or found.window.last
        whole = f"recon range {min(days)} {max(days)}" if window else "recon fix"
        advice.append((whole, f"all {rows} missing rows on {len(days)} dates, newest first"))
    if blocked:
        advice.append(("recon difficulty update --from FILE", f"no difficulty for {len(blocked)} dates"))
    advice += [(f.advice, f.example) for f in findings if f.code in ("duplicates", "orphans", "no_unique_index")]
    return advice
