"""What the curtailment itself looks like: rows that are hardly true. recon reports them and never changes the source.

dates: one row per settlement date, as `source_dates.sql` returns it. farms: one row per farm, as
`source_farms.sql` returns it. runs: one row per suspect date and number of settlement runs, as `source_runs.sql`
returns it. On ordinary data nothing but `info` is found: what chance or weather can make is left alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import polars as pl

from recon.analysis.findings import Finding, days_of, spans, worst_of
from recon.analysis.source_periods import clock_change_findings, short_dates
from recon.analysis.source_runs import NEARLY_ALL, several_runs
from recon.core.price import HOURS_PER_PERIOD
from recon.core.settings import MAX_FARM_MW
from recon.core.suggestions import Advice, explain_command
from recon.core.window import periods_in_day
from recon.core.wording import between, counted

MOST_ROWS_PER_KEY = 20
FEWEST_KEYS = 3
"""A date with fewer keys is repeated by chance too easily to be called copied."""
REGULAR_DATES, GONE_DATES = 20, 10
"""A farm vanishes when it has keys on nearly all of at least so many dates, and then on none of so many ..."""
STILL_BUSY = 0.5
"""... although those have at least this share of the keys per date that the dates before had."""
EXPLAIN = "recon explain KEY"
NOT_CHANGED = "recon never changes the source"


def source_findings(
    dates: pl.DataFrame, farms: pl.DataFrame, runs: pl.DataFrame, max_farm_mw: float = MAX_FARM_MW
) -> list[Finding]:
    """Every finding about the curtailment of a window."""
    folds = {row["settlement_date"]: fold for row in dates.to_dicts() if (fold := _fold(row)) > 1}
    repeated = several_runs(runs.filter(~pl.col("settlement_date").is_in(list(folds))))
    once = dates.filter(~pl.col("settlement_date").is_in([*folds, *(repeated.dates if repeated else ())]))
    candidates = [
        _impossible(dates),
        _unusable(dates),
        *_copies(dates, folds),
        repeated,
        _repeated(once),
        _crowded(once),
        _outsize(once, max_farm_mw),
        _positive(dates),
        _mixed(dates),
        *short_dates(dates),
        *clock_change_findings(dates),
        _vanished(dates, farms),
        _zero(dates),
    ]
    return [finding for finding in candidates if finding is not None]


def _found(dates: pl.DataFrame, column: str, code: str, severity: str, what: str, advice: str) -> Finding | None:
    """A finding that counts a column, with the date that has most. `what` may name fields of that date's row;
    `{period}` and `{farm}` are those of its example (`<column>_key`: how many, the period, the farm), and EXPLAIN in
    the advice is the command that explains that one.
    """
    hit = dates.filter(pl.col(column) > 0)
    if hit.is_empty():
        return None
    worst = worst_of(hit, column)
    day = worst["settlement_date"]
    _, period, farm = worst[f"{column}_key"].split(" ", 2)
    words = worst | {"period": period, "farm": farm, "periods": periods_in_day(day)}
    words |= {"rows": counted(worst[column], "row"), "keys": counted(worst[column], "key")}
    before, explained, after = advice.partition(EXPLAIN)
    told: Advice = (before, explain_command(day, period, farm), after) if explained else advice
    count = int(hit.get_column(column).sum())
    return Finding(code, severity, count, what.format(**words), told, tuple(days_of(hit)))


def _impossible(dates: pl.DataFrame) -> Finding | None:
    what = "{settlement_date} has {rows} outside its {periods} settlement periods, for example period {period}, {farm}"
    advice = f"correct the settlement period in the source; {NOT_CHANGED}, and prices no such row"
    return _found(dates, "impossible", "impossible_periods", "warning", what, advice)


def _unusable(dates: pl.DataFrame) -> Finding | None:
    what = "{settlement_date} has {rows} without volume or farm, for example settlement period {period}, {farm}"
    advice = f"enter volume and farm in the source; {NOT_CHANGED}, and prices no such row"
    return _found(dates, "unusable", "unusable_rows", "warning", what, advice)


def _repeated(dates: pl.DataFrame) -> Finding | None:
    what = "{settlement_date} has {rows} equal to another one, for example of settlement period {period}, {farm}"
    return _found(dates, "repeated", "repeated_rows", "info", what, f"see '{EXPLAIN}'; recon adds them all up")


def _crowded(dates: pl.DataFrame) -> Finding | None:
    what = "{settlement_date} settlement period {period}, {farm} has {crowded_most} rows"
    advice = f"see '{EXPLAIN}' and remove the copies in the source; {NOT_CHANGED}"
    return _found(dates, "crowded", "crowded_keys", "warning", what, advice)


def _outsize(dates: pl.DataFrame, max_farm_mw: float) -> Finding | None:
    most = f"{max_farm_mw * HOURS_PER_PERIOD:g} MWh ({max_farm_mw:g} MW x 0.5 h)"
    amounts = pl.col("outsize_most").cast(pl.Float64).round(1)
    what = f"{{settlement_date}} settlement period {{period}}, {{farm}} has {{outsize_most}} MWh; the most is {most}"
    advice = f"see '{EXPLAIN}' and correct the source, or raise --max-farm-mw; {NOT_CHANGED}"
    return _found(dates.with_columns(outsize_most=amounts), "outsize", "outsize_energy", "warning", what, advice)


def _zero(dates: pl.DataFrame) -> Finding | None:
    what = "{settlement_date} has {keys} of 0 MWh, for example settlement period {period}, {farm}"
    return _found(dates, "zero", "zero_volume_keys", "info", what, "nothing to do: they get rows of 0 BTC")


def _positive(dates: pl.DataFrame) -> Finding | None:
    """Curtailment is negative; a table that holds nothing but positive volumes only writes it differently."""
    severity = "warning" if dates.get_column("negative").sum() else "info"
    what = "{settlement_date} has {rows} of positive volume, for example of settlement period {period}, {farm}"
    advice = f"see '{EXPLAIN}'; recon takes them as energy like the others, and {NOT_CHANGED[6:]}"
    return _found(dates, "positive", "positive_volumes", severity, what, advice)


def _mixed(dates: pl.DataFrame) -> Finding | None:
    mixed = dates.filter((pl.col("positive") > 0) & (pl.col("negative") > 0))
    if mixed.is_empty():
        return None
    worst = worst_of(mixed, "positive")
    example = f"{worst['settlement_date']} has {worst['positive']} positive and {worst['negative']} negative volumes"
    advice = f"correct the signs in the source, or see why it has both; {NOT_CHANGED}"
    return Finding("mixed_signs", "warning", mixed.height, example, advice, tuple(days_of(mixed)))


def _fold(row: dict[str, Any]) -> int:
    """How often nearly every key's rows are there: 1 on an ordinary date."""
    sizes = dict(zip(row["folds"] or [], row["fold_keys"] or [], strict=True))
    keys = sum(sizes.values())
    if keys < FEWEST_KEYS:
        return 1
    fitting = (f for f in sizes if sum(n for fold, n in sizes.items() if fold % f == 0) >= NEARLY_ALL * keys)
    return max(fitting, default=1)


def _copies(dates: pl.DataFrame, folds: dict[date, int]) -> list[Finding]:
    """One finding per range of adjacent dates whose rows are all there equally often."""
    rows = dict(dates.select("settlement_date", "priced_rows").iter_rows())
    found = []
    for fold in sorted(set(folds.values())):
        for first, last in spans(day for day in sorted(folds) if folds[day] == fold):
            days = [day for day in folds if first <= day <= last]
            surplus = sum(rows[day] * (fold - 1) // fold for day in days)
            when = between(first, last)
            found.append(
                Finding(
                    "copied_rows",
                    "warning",
                    surplus,
                    f"{when}: nearly every row is there {fold} times (equal in key, volume and price)",
                    f"remove the copies in the source, never by key alone: a key has several rows; {NOT_CHANGED}",
                    tuple(days),
                )
            )
    return found


def _vanished(dates: pl.DataFrame, farms: pl.DataFrame) -> Finding | None:
    """Farms curtailed on nearly every date before, and never after, while the others go on."""
    keys = dict(dates.filter(pl.col("keys") > 0).select("settlement_date", "keys").iter_rows())
    gone = [farm for farm in farms.to_dicts() if _is_gone(farm, keys)]
    if not gone:
        return None
    last = max(gone, key=lambda farm: (farm["last_date"], farm["farm_id"]))
    after = sum(day > last["last_date"] for day in keys)
    example = (
        f"{last['farm_id']} has keys on {last['dates']} dates up to {last['last_date']}, on none of the {after} since"
    )
    advice = f"ask whether it closed or changed its id, or whether its rows got lost; {NOT_CHANGED}"
    days = tuple(sorted({farm["last_date"] for farm in gone}))
    return Finding("vanished_farms", "warning", len(gone), example, advice, days)


def _is_gone(farm: dict[str, Any], keys: dict[date, int]) -> bool:
    before = [n for day, n in keys.items() if farm["first_date"] <= day <= farm["last_date"]]
    after = [n for day, n in keys.items() if day > farm["last_date"]]
    if len(before) < REGULAR_DATES or len(after) < GONE_DATES or farm["dates"] < NEARLY_ALL * len(before):
        return False
    return _mean(after) >= STILL_BUSY * _mean(before)


def _mean(numbers: Sequence[int]) -> float:
    return sum(numbers) / len(numbers)
