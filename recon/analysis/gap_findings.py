"""What gaps and faults have in common: patterns that tell how they came about."""

from __future__ import annotations

import polars as pl

from recon.analysis.findings import Finding, dated, days_of, ranges, repairing, worst_of
from recon.core.wording import between, counted
from recon.reconcile.status import Status
from recon.values.verdicts import WRONG

CLUSTER_SHARE = 0.5
"""A month or a farm that holds at least this share of all missing rows is worth naming ..."""
CLUSTER_EXCESS = 1.5
"""... if that is so many times its share of the expected rows: half of two farms' gaps says nothing."""
UNEVEN_ROWS, UNEVEN_FACTOR = 10, 2
"""Miner models lack unequally many rows when one lacks ten more than twice what another lacks."""


def count_findings(status: Status) -> list[Finding]:
    """The patterns that the counts per date and model show; with `--values` what the values are worth, too."""
    candidates = (
        _empty_dates(status),
        _absent_models(status),
        _uneven_models(status),
        _clustered_month(status),
        _duplicates(status),
        _orphans(status),
        _unknown_models(status),
        _wrong_values(status),
    )
    return [finding for finding in candidates if finding is not None]


def shape_findings(status: Status, shapes: pl.DataFrame, farms: pl.DataFrame) -> list[Finding]:
    """The patterns within dates. shapes: gap_shapes.SHAPES; farms: gap_shapes.FARM_GAPS, one row per farm."""
    many = pl.col("farms_missing").list.len() * 2 > pl.col("farms")
    uneven = days_of(_uneven(status))
    candidates = (
        _few_farms(shapes.filter(many)),
        _missing_farms(shapes.filter(~many)),
        _missing_periods(shapes),
        _scattered(shapes.filter(~pl.col("settlement_date").is_in(uneven))),
        _clustered_farm(status, farms),
    )
    return [finding for finding in candidates if finding is not None]


def _empty_dates(status: Status) -> Finding | None:
    days = days_of(status.dates.filter((pl.col("expected") > 0) & (pl.col("matched") == 0)))
    if not days:
        return None
    return dated("empty_dates", "error", len(days), f"{days[-1]} has no calculation at all", days)


def _begun(status: Status) -> pl.DataFrame:
    """The counts of configured models on dates that are not empty, with `missing`."""
    begun = status.dates.filter(pl.col("matched") > 0).select("settlement_date")
    wanted = status.counts.filter(pl.col("expected") > 0).with_columns(missing=pl.col("expected") - pl.col("matched"))
    return wanted.join(begun, on="settlement_date", how="semi").sort("settlement_date", "miner_model")


def _absent_models(status: Status) -> Finding | None:
    """A model missing for a whole date that others have: a crash between models."""
    absent = _begun(status).filter(pl.col("matched") == 0)
    if absent.is_empty():
        return None
    last = absent.row(-1, named=True)
    example = f"{last['settlement_date']} has other models but no {last['miner_model']}"
    return dated("missing_models", "error", absent.height, example, days_of(absent))


def _uneven(status: Status) -> pl.DataFrame:
    """The dates of which one model lacks far more than another, though both have begun: a crash within a model."""
    per_date = (
        _begun(status)
        .filter(pl.col("matched") > 0)
        .group_by("settlement_date")
        .agg(
            worst=pl.col("miner_model").sort_by("missing").last(),
            most=pl.col("missing").max(),
            least=pl.col("missing").min(),
        )
    )
    return per_date.filter(pl.col("most") >= UNEVEN_FACTOR * pl.col("least") + UNEVEN_ROWS).sort("settlement_date")


def _uneven_models(status: Status) -> Finding | None:
    uneven = _uneven(status)
    if uneven.is_empty():
        return None
    last = uneven.row(-1, named=True)
    lacks = f"{last['most']:,} rows of {last['worst']}, but {last['least']:,} of another model"
    example = f"{last['settlement_date']} lacks {lacks}"
    return dated("uneven_models", "error", uneven.height, example, days_of(uneven))


def _clustered_month(status: Status) -> Finding | None:
    total = status.total("missing")
    dates = status.dates.with_columns(month=pl.col("settlement_date").dt.strftime("%Y-%m"))
    months = dates.group_by("month").agg(pl.col("expected", "missing").sum()).sort("missing", "month")
    if not total or not _stands_out(months, total):
        return None
    worst = months.row(-1, named=True)
    days = days_of(dates.filter((pl.col("month") == worst["month"]) & (pl.col("missing") > 0)))
    example = f"{worst['month']} has {worst['missing']:,} of the {total:,} missing rows"
    return dated("clustered_by_month", "warning", worst["missing"], example, days)


def _stands_out(groups: pl.DataFrame, total: int) -> bool:
    """Whether the last of several groups alone holds most of the missing rows, and far more than its share."""
    if groups.height < 2 or groups.item(-2, "missing") == groups.item(-1, "missing"):
        return False
    last, expected = groups.row(-1, named=True), int(groups.get_column("expected").sum())
    share = last["missing"] / total
    return bool(share >= CLUSTER_SHARE and share >= CLUSTER_EXCESS * last["expected"] / expected)


def _duplicates(status: Status) -> Finding | None:
    dates = status.dates.filter(pl.col("duplicate") > 0)
    if dates.is_empty():
        return None
    worst, days = worst_of(dates, "duplicate"), days_of(dates)
    example = f"{worst['settlement_date']} has {counted(worst['duplicate'], 'duplicate row')}"
    advice = repairing(status, days, "duplicate")
    return Finding("duplicates", "error", status.total("duplicate"), example, advice, tuple(days))


def _orphans(status: Status) -> Finding | None:
    """Rows of a configured model whose key is not in the curtailment."""
    rows = status.counts.filter((pl.col("orphan") > 0) & pl.col("miner_model").is_in(list(status.miner_models)))
    if rows.is_empty():
        return None
    dates = rows.group_by("settlement_date").agg(pl.col("orphan").sum())
    worst, days = worst_of(dates, "orphan"), days_of(dates)
    example = f"{worst['settlement_date']} has {counted(worst['orphan'], 'row')} without curtailment"
    advice = repairing(status, days, "orphan")
    return Finding("orphans", "error", int(rows.get_column("orphan").sum()), example, advice, tuple(days))


def _unknown_models(status: Status) -> Finding | None:
    """Rows of models that are not configured: an older or newer list of models, or a typing error."""
    configured = pl.col("miner_model").is_in(list(status.miner_models)).fill_null(False)
    rows = status.counts.filter((pl.col("orphan") > 0) & ~configured)
    if rows.is_empty():
        return None
    models = rows.group_by("miner_model").agg(pl.col("orphan").sum()).sort("orphan", descending=True)
    named = "; ".join(
        f"{row['miner_model'] or 'no model'}, {counted(row['orphan'], 'row')}" for row in models.to_dicts()
    )
    days = days_of(rows)
    example = f"miner models that are not configured: {named}; newest {days[-1]}"
    advice = ("configure the model with --miners FILE, or ", repairing(status, days, "orphan"))
    return Finding("unknown_models", "error", int(rows.get_column("orphan").sum()), example, advice, tuple(days))


def _wrong_values(status: Status) -> Finding | None:
    """Stored rows whose values are not what they should be, with the likeliest cause."""
    if status.values is None or not status.values.wrong:
        return None
    days = days_of(status.values.summary.filter(pl.col("verdict").is_in(WRONG)))
    counts = ", ".join(f"{rows:,} {name}" for name, rows in status.values.wrong_by.items())
    cause = next(iter(status.values.causes), None)
    likely = f"; {counted(cause.rows, 'row')} of {between(cause.first, cause.last)}: {cause.cause}" if cause else ""
    advice = repairing(status, days, "wrong")
    return Finding("wrong_values", "error", status.values.wrong, counts + likely, advice, tuple(days))


def _few_farms(shapes: pl.DataFrame) -> Finding | None:
    """Dates of which only a few farms were calculated: they seem complete where periods alone are counted."""
    if shapes.is_empty():
        return None
    last = shapes.row(-1, named=True)
    example = (
        f"{last['settlement_date']} has rows of {last['farms'] - len(last['farms_missing'])} of {last['farms']} farms"
    )
    return dated("few_farms", "error", shapes.height, example, days_of(shapes))


def _missing_farms(shapes: pl.DataFrame) -> Finding | None:
    """Farms without any row on a date whose periods are otherwise complete."""
    dates = shapes.filter(pl.col("farms_missing").list.len() > 0)
    if dates.is_empty():
        return None
    last, count = dates.row(-1, named=True), int(dates.get_column("farms_missing").list.len().sum())
    lost, first = len(last["farms_missing"]), last["farms_missing"][0]
    example = f"{last['settlement_date']} lacks {lost} of {last['farms']} farms, for example {first}"
    return dated("missing_farms", "error", count, example, days_of(dates))


def _missing_periods(shapes: pl.DataFrame) -> Finding | None:
    """Settlement periods without any row on dates that have others."""
    dates = shapes.filter(pl.col("periods_missing").list.len() > 0)
    if dates.is_empty():
        return None
    last, count = dates.row(-1, named=True), int(dates.get_column("periods_missing").list.len().sum())
    period = "settlement period" if len(last["periods_missing"]) == 1 else "settlement periods"
    example = f"{last['settlement_date']} lacks {period} {ranges(last['periods_missing'])}"
    return dated("missing_periods", "error", count, example, days_of(dates))


def _scattered(shapes: pl.DataFrame) -> Finding | None:
    """Missing rows that no pattern explains."""
    dates = shapes.filter(pl.col("scattered") > 0)
    if dates.is_empty():
        return None
    worst = worst_of(dates, "scattered")
    example = f"{worst['settlement_date']} lacks {counted(worst['scattered'], 'row')} here and there"
    return dated("scattered_gaps", "warning", int(dates.get_column("scattered").sum()), example, days_of(dates))


def _clustered_farm(status: Status, farms: pl.DataFrame) -> Finding | None:
    """One of several farms holds most of what is missing, on several dates."""
    sums = farms.group_by("farm_id").agg(pl.col("expected", "missing").sum(), pl.col("dates").explode().unique())
    sums, total = sums.sort("missing", "farm_id"), status.total("missing")
    if not total or not _stands_out(sums, total):
        return None
    worst = sums.row(-1, named=True)
    days = sorted(worst["dates"])
    if len(days) < 2:
        return None
    example = f"{worst['farm_id']} has {worst['missing']:,} of the {total:,} missing rows"
    return dated("clustered_by_farm", "warning", worst["missing"], example, days)
