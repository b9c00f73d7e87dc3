"""How far the two tables agree in a window: counts per settlement date and miner model."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING, Any

import polars as pl

from recon.core.errors import ExitCode, document
from recon.core.settings import REPAIRS
from recon.core.shown import Shown
from recon.core.suggestions import RECON, Program, Suggestion, repair_command
from recon.core.window import Window
from recon.core.wording import counted
from recon.postgres.tables import Undated

if TYPE_CHECKING:
    from recon.values.summary import Values

DATE_FIELDS = ("expected", "matched", "missing", "duplicate", "orphan")
OFF_FIELDS = ("missing", "duplicate", "orphan", "wrong")
"""What is 0 on a date that is reconciled, and nowhere else; `wrong` is null where no value was compared."""


def percent(matched: int, expected: int) -> float:
    """Matched over expected in per cent, rounded down to two decimals, so that 100 means all of them.

    >>> percent(1_511_960, 1_511_961), percent(0, 0)
    (99.99, 100.0)
    """
    return matched * 10_000 // expected / 100 if expected else 100.0


NOTHING = "nothing to reconcile"
"""How a window stands in which nothing is expected and nothing is there."""


def _share(expected: int, matched: int, **_: int) -> float | None:
    return percent(matched, expected) if expected else None


@dataclass(frozen=True, repr=False)
class Status(Shown):
    """How far the two tables agree in a window.

    counts: gaps.COUNTS, one row per settlement date and miner model; source: one row per settlement date with
    `source_rows`, `invalid` and `keys`. Both as of one moment, but for dates that a run has looked at again.
    window: as it was asked for; see `looked_at`. newest_curtailment: the newest settlement date of the whole
    curtailment, whatever the window; None without any.
    undated: the rows without a date that belong to a window which is open on their side. bounds: dates that surely lack
    rows and whose counts are no more than bounds of what is missing; none but while a run goes on. blocked: dates that
    cannot be priced, each with the command that may bring what it lacks.
    """

    window: Window
    miner_models: tuple[str, ...]
    source: pl.DataFrame
    counts: pl.DataFrame
    newest_curtailment: date | None = None
    values: Values | None = None
    undated: Undated = field(default_factory=Undated)
    bounds: frozenset[date] = frozenset()
    blocked: Mapping[date, Suggestion | None] = field(default_factory=dict)

    def with_counts(self, days: Sequence[date], counts: pl.DataFrame) -> Status:
        """The same window, in which some dates have been looked at again; counts: gaps.COUNTS of these."""
        others = self.counts.filter(~pl.col("settlement_date").is_in(days))
        seen = pl.DataFrame({"settlement_date": days}, schema={"settlement_date": pl.Date})
        keys = counts.group_by("settlement_date").agg(keys=pl.col("expected").max())
        keys = seen.join(keys, on="settlement_date", how="left").with_columns(pl.col("keys").fill_null(0))
        source = self.source.update(keys, on="settlement_date")
        counts = pl.concat([others, counts])
        return replace(self, source=source, counts=counts, bounds=self.bounds.difference(days))

    @cached_property
    def looked_at(self) -> Window:
        """The window; where it is open, the first or last date that has rows of either table ends it, if one has."""
        days = pl.concat([rows.get_column("settlement_date") for rows in (self.source, self.counts)])
        first, last = self.window.first or days.min(), self.window.last or days.max()
        return Window(first, last)  # type: ignore[arg-type]

    @cached_property
    def dates(self) -> pl.DataFrame:
        """One row per settlement date: expected, matched, missing, duplicate, orphan, wrong; in order of date."""
        counted = (
            self.counts.with_columns(missing=pl.col("expected") - pl.col("matched"))
            .group_by("settlement_date")
            .agg(pl.col(DATE_FIELDS).sum())
            .sort("settlement_date")
        )
        if self.values is None:
            return counted.with_columns(wrong=pl.lit(None, pl.Int64))
        judged = counted.join(self.values.off_by_date, on="settlement_date", how="left", maintain_order="left")
        surplus = (pl.max_horizontal(name, f"{name}_judged") for name in ("duplicate", "orphan"))
        off = judged.with_columns(pl.col("wrong").fill_null(0), *surplus)
        return off.drop("duplicate_judged", "orphan_judged")

    @cached_property
    def incomplete(self) -> pl.DataFrame:
        """The dates that do not agree: most missing first, newest first among equals."""
        off = self.dates.filter(pl.sum_horizontal(OFF_FIELDS) > 0)
        return off.sort(["missing", "settlement_date"], descending=True)

    @property
    def months(self) -> pl.DataFrame:
        """One row per month with incomplete dates: `dates`, `missing` and `wrong`, in order."""
        months = self.incomplete.group_by(month=pl.col("settlement_date").dt.strftime("%Y-%m"))
        wrong = pl.when(pl.col("wrong").count() > 0).then(pl.col("wrong").sum())  # the sum of nulls would be 0
        return months.agg(dates=pl.len().cast(pl.Int64), missing=pl.col("missing").sum(), wrong=wrong).sort("month")

    def to_frame(self) -> pl.DataFrame:
        """One row per settlement date; as `dates`."""
        return self.dates

    def total(self, name: str) -> int:
        """The sum of one of DATE_FIELDS over the window."""
        return int(self.dates.get_column(name).sum()) + (self.undated.stored if name == "orphan" else 0)

    @property
    def invalid(self) -> int:
        """The rows of the curtailment that cannot be priced."""
        return int(self.source.get_column("invalid").sum()) + self.undated.source

    @property
    def stored(self) -> int:
        """The rows that the calculations have in the window."""
        return sum(self.total(name) for name in ("matched", "duplicate", "orphan"))

    @property
    def damaged_files(self) -> int:
        """Of an export, the files that are not as they were written."""
        return 0

    @property
    def particulars(self) -> dict[str, Any]:
        """What the document of one that is not of tables says besides."""
        return {}

    @property
    def remarks(self) -> tuple[str, ...]:
        """What there is to say besides, a line each."""
        return ()

    @property
    def reconciled(self) -> bool:
        """Nothing missing, nothing twice, nothing that should not be there, no value found wrong."""
        return self.incomplete.is_empty() and not self.undated.stored

    @property
    def values_compared(self) -> bool:
        """Whether every stored value was compared with what it should be."""
        return self.values is not None and not self.values.blocked

    @property
    def to_repair(self) -> dict[str, int]:
        """The rows that each repair (settings.REPAIRS) has to do with, on dates that are not blocked."""
        dates = self.dates.filter(~pl.col("settlement_date").is_in(list(self.blocked)))
        rows = {name: int(dates.get_column(name).sum() or 0) for name in REPAIRS}
        return {**rows, "orphan": rows["orphan"] + self.undated.stored}

    @property
    def repairs(self) -> list[str]:
        """The repairs that there is something to do for."""
        return [name for name, rows in self.to_repair.items() if rows]

    @property
    def is_empty(self) -> bool:
        """Whether nothing is expected and nothing is there."""
        return self.standing == NOTHING

    def next_command(self, tried: Collection[str] = ()) -> Suggestion | None:
        """The command that is the best thing to do now, None where nothing is: one that makes every repair that there
        is something to do for (what changes stored rows is shown first), else one that frees blocked dates.

        tried: repairs that cannot do any more.
        """
        repairs = [repair for repair in self.repairs if repair not in tried]
        if repairs:
            near = self.values.tolerance.options if self.values and repairs != ["missing"] else []
            return repair_command(self.window, repairs, *near, *([] if repairs == ["missing"] else ["--dry-run"]))
        return next(iter(self.unblocking), None)

    @property
    def unblocking(self) -> list[Suggestion]:
        """The commands that free dates on which there is something to do, or values are to be compared."""
        compared = self.values is not None and self.values.blocked > 0
        days = self.blocked if compared else self.incomplete.get_column("settlement_date")
        commands = (self.blocked.get(day) for day in days)
        return list(dict.fromkeys(command for command in commands if command))

    @property
    def exit_code(self) -> ExitCode:
        """0 reconciled, 1 differences."""
        return ExitCode.OK if self.reconciled else ExitCode.DIFFERENCES

    @property
    def standing(self) -> str:
        """reconciled | not reconciled | nothing to reconcile, where nothing is expected and nothing is there."""
        if not self.reconciled:
            return "not reconciled"
        return "reconciled" if self.total("expected") else NOTHING

    @property
    def unseen(self) -> str:
        """Which values nobody has compared, as the end of a line."""
        if self.values and self.values.blocked:
            return f"; {counted(self.values.blocked, 'value')} not compared: no difficulty is known for their dates"
        return "" if self.values_compared else "; values not compared"

    @property
    def why(self) -> str:
        """What makes it stand so, counted."""
        if not self.reconciled:
            return self._left
        if not self.total("expected"):
            return (
                "no curtailment to price on these dates"
                if self.newest_curtailment
                else "there is no curtailment at all"
            )
        return f"{self.total('matched'):,} of {self.total('expected'):,}, nothing twice, nothing extra{self.unseen}"

    @property
    def _left(self) -> str:
        """What is not as it should be, counted."""
        left = {name: self.total(name) for name in ("missing", "duplicate", "orphan")}
        undated = [f"{self.undated.stored:,} of them without a date"] if self.undated.stored else []
        wrong = [f"{self.values.wrong:,} wrong"] if self.values else []
        damaged = [counted(self.damaged_files, "damaged file")] if self.damaged_files else []
        return ", ".join([*(f"{count:,} {name}" for name, count in left.items()), *undated, *wrong, *damaged])

    @property
    def sentence(self) -> str:
        """Whether the tables agree, and why not."""
        return f"{self.standing}: {self.why}"

    @property
    def table(self) -> pl.DataFrame:
        """One row per configured miner model, and one of their sums."""
        sides = {**self.by_model, "all": {name: self.total(name) for name in ("expected", "matched", "missing")}}
        rows = [{"miner_model": model, **counts, "percent": _share(**counts)} for model, counts in sides.items()]
        return pl.DataFrame(rows)

    @property
    def date_totals(self) -> dict[str, int]:
        """Dates with curtailment: total, complete (agreeing), empty (nothing matched), partial (the others)."""
        with_keys = self.dates.filter(pl.col("expected") > 0)
        off = self.incomplete.filter(pl.col("expected") > 0)
        empty = with_keys.filter(pl.col("matched") == 0).height
        complete = with_keys.height - off.height
        return {"total": with_keys.height, "complete": complete, "partial": off.height - empty, "empty": empty}

    @property
    def by_model(self) -> dict[str, dict[str, int]]:
        """Expected, matched and missing of each configured miner model."""
        sums = self.counts.group_by("miner_model").agg(pl.col("expected", "matched").sum())
        found = {row["miner_model"]: row for row in sums.to_dicts()}
        rows = ((model, found.get(model, {"expected": 0, "matched": 0})) for model in self.miner_models)
        return {
            model: {
                "expected": row["expected"],
                "matched": row["matched"],
                "missing": row["expected"] - row["matched"],
            }
            for model, row in rows
        }

    def to_dict(self, command: str = "status", program: Program = RECON) -> dict[str, Any]:
        """The JSON document of `recon status`. program: what suggested commands begin with."""
        then = self.next_command()
        return {
            **document(command),
            "window": self.looked_at.to_dict(),
            "newest_curtailment": self.newest_curtailment and str(self.newest_curtailment),
            "curtailment_rows": int(self.source.get_column("source_rows").sum()) + self.undated.source,
            "invalid": self.invalid,
            "keys": int(self.source.get_column("keys").sum()),
            "miner_models": list(self.miner_models),
            **{name: self.total(name) for name in DATE_FIELDS},
            "by_model": self.by_model,
            "percent": percent(self.total("matched"), self.total("expected")),
            "dates": self.date_totals,
            "undated": vars(self.undated),
            "reconciled": self.reconciled,
            "values_compared": self.values_compared,
            **({"values": self.values.to_dict()} if self.values else {}),
            **self.particulars,
            **({"next": program.arguments(then)} if then else {}),
        }


def date_rows(dates: pl.DataFrame) -> list[dict[str, Any]]:
    """`worst_dates` of the contract, from rows of Status.dates; with `wrong` where values were compared."""
    return [
        {
            "date": row["settlement_date"].isoformat(),
            **{name: row[name] for name in (*DATE_FIELDS, "wrong") if row[name] is not None},
            "percent": percent(row["matched"], row["expected"]),
        }
        for row in dates.to_dicts()
    ]
