"""What the server says of the curtailment, date by date and farm by farm: read-only, kilobytes on the wire."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import polars as pl

from recon.analysis.findings import Finding
from recon.analysis.source_findings import MOST_ROWS_PER_KEY, source_findings
from recon.analysis.source_runs import APART, NEARLY_ALL, is_suspect
from recon.core.chunks import halving, on_timeout, split_range
from recon.core.errors import DatabaseError
from recon.core.names import quote_identifier
from recon.core.price import HOURS_PER_PERIOD
from recon.core.settings import MAX_FARM_MW
from recon.core.suggestions import Advice, Suggestion
from recon.postgres.layout import Layout
from recon.postgres.sql import date_list, literal
from recon.postgres.tables import Tables


@dataclass(frozen=True)
class SourceAggregates:
    """dates: one row per settlement date (`source_dates.sql`); farms: one per farm (`source_farms.sql`); runs: one per
    suspect date and number of settlement runs (`source_runs.sql`).
    """

    dates: pl.DataFrame
    farms: pl.DataFrame
    runs: pl.DataFrame


def find(tables: Tables, days: pl.Series, *, max_farm_mw: float = MAX_FARM_MW) -> list[Finding]:
    """The findings about the curtailment of these settlement dates and those between them.

    A server that cannot say is itself a finding, not a failure.
    """
    if days.is_empty():
        return []
    try:
        with tables.session.transaction(read_only=True, snapshot=True):
            found = aggregates(tables, (days.min(), days.max()), max_farm_mw=max_farm_mw)  # type: ignore[arg-type]
    except DatabaseError as error:
        advice: Advice = error.hint or ("see '", Suggestion("diagnose"), "'")
        return [Finding("source_not_checked", "warning", 1, f"the source was not looked at: {error.message}", advice)]
    return source_findings(found.dates, found.farms, found.runs, max_farm_mw)


def aggregates(tables: Tables, ends: tuple[date, date], *, max_farm_mw: float) -> SourceAggregates:
    """What the source rows of an inclusive range of dates add up to. One that takes too long is cut in halves.

    Run it inside a transaction: it uses savepoints, and the statements should be of one moment.
    """

    def read(part: tuple[date, date]) -> SourceAggregates:
        parts = {**_parts(tables.layout, max_farm_mw), "first": literal(part[0]), "last": literal(part[1])}
        with tables.session.savepoint():
            dates = tables.frame("analysis/source_dates", **parts)
            suspect = date_list(dates.filter(is_suspect()).get_column("settlement_date"))
            return SourceAggregates(
                dates,
                tables.frame("analysis/source_farms", **parts),
                tables.frame("analysis/source_runs", **parts, dates=suspect),
            )

    return _joined(list(halving(read, ends, on_timeout(split_range))))


def _joined(sides: list[SourceAggregates]) -> SourceAggregates:
    farms = pl.concat([side.farms for side in sides]).group_by("farm_id")
    return SourceAggregates(
        pl.concat([side.dates for side in sides]),
        farms.agg(pl.col("first_date").min(), pl.col("last_date").max(), pl.col("dates").sum()).sort("farm_id"),
        pl.concat([side.runs for side in sides]),
    )


def _parts(layout: Layout, max_farm_mw: float) -> dict[str, str]:
    """The layout's parts, with a source that shows its price columns too."""
    prices = [quote_identifier(name) for name in layout.price_columns]
    columns = [f"{quote_identifier(theirs)} as {ours}" for ours, theirs in layout.curtailment.columns]
    named = [f"{column} as price_{number}" for number, column in enumerate(prices)]
    return {
        "source": f"(select {', '.join(columns + named)} from {layout.curtailment.name.quoted})",
        "prices": "".join(f", price_{number}" for number in range(len(prices))),
        "key": """ ' ' || coalesce(settlement_period::text, 'null') || ' ' || coalesce(farm_id, 'null') collate "C" """,
        "apart": repr(APART),
        "nearly_all": repr(NEARLY_ALL),
        "most_rows": str(MOST_ROWS_PER_KEY),
        "most_mwh": repr(float(max_farm_mw * HOURS_PER_PERIOD)),
    }
