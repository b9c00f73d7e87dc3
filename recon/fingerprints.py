"""What a run last saw of each date, kept in the ledger: `recon status --cached` answers from it, without a scan.

Whatever writes looks for itself: nothing here is ever believed by a command that changes rows.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import polars as pl

from recon import gaps, ledger
from recon.config import Settings
from recon.database import Pool, Session, connect, sql
from recon.errors import DatabaseError, ExitCode, LedgerError
from recon.report import Status
from recon.tables import Layout, inspect
from recon.window import Window

SOURCE = {"settlement_date": pl.Date, "source_rows": pl.Int64, "invalid": pl.Int64, "keys": pl.Int64}
COUNTED = [name for name in gaps.COUNTS if name != "settlement_date"]
NOTHING_KEPT = "run 'recon status', or a 'recon fix' of that window, which keeps what it sees"


@dataclass(frozen=True)
class Cached:
    """A window as runs last saw it: the oldest of its dates at `taken_at` (UTC), and whether the source is still as it
    was. Calculations that others have changed since are not noticed.
    """

    status: Status
    taken_at: str
    current: bool

    @property
    def reconciled(self) -> bool:
        """It was, and the source has not changed since."""
        return self.status.reconciled and self.current

    @property
    def exit_code(self) -> ExitCode:
        """0 reconciled, 1 differences, or none that are known."""
        return ExitCode.OK if self.reconciled else ExitCode.DIFFERENCES

    def to_dict(self) -> dict[str, Any]:
        """The JSON document of `recon status --cached`."""
        cached = {"taken_at": self.taken_at, "current": self.current}
        return {**self.status.to_dict("status"), "reconciled": self.reconciled, "cached": cached}


def mark(session: Session, layout: Layout) -> str:
    """The source's newest change mark. Taken before the source is read, it never hides a change from who compares."""
    return str(session.rows(sql("source_mark"), layout.curtailment_oid)[0]["mark"])


def keep(pool: Pool, layout: Layout, seen: Status, source_mark: str) -> None:
    """`store` in a session of the pool."""
    with suppress(DatabaseError), pool.session() as session:
        store(session, layout, seen, source_mark)


def store(session: Session, layout: Layout, seen: Status, source_mark: str) -> None:
    """Keeps what was seen of a window. A ledger that cannot take it stays as it is: nothing depends on this."""
    counts = seen.counts.group_by("settlement_date").agg(pl.struct(COUNTED).alias("counts"))
    dates = seen.source.join(counts, on="settlement_date", how="full", coalesce=True).sort("settlement_date")
    dates = dates.with_columns(pl.col("source_rows", "invalid", "keys").fill_null(0), pl.col("checksum").fill_null(""))
    columns = [dates.get_column(name).to_list() for name in (*SOURCE, "checksum")]
    texts = [json.dumps([list(row.values()) for row in rows or []]) for rows in dates.get_column("counts").to_list()]
    with suppress(DatabaseError):
        session.execute(sql("fingerprints_store"), _table(layout), *seen.window.bounds, *columns, texts, source_mark)


def cached(settings: Settings, models: Sequence[str], window: Window, *, name: str) -> Cached:
    """What is kept of a window; LedgerError when runs have not seen the whole of it, or with other miner models."""
    with connect(settings, name) as session:
        layout = inspect(session, settings)
        kept = ledger.require(session) and session.rows("select to_regclass('recon.fingerprints') is not null as is")
        where = (_table(layout), *window.bounds)
        if not kept or not kept[0]["is"] or not session.rows(sql("fingerprints_cover"), *where)[0]["whole"]:
            raise LedgerError("no run has kept the whole of this window", NOTHING_KEPT, code="not_cached")
        dates = session.rows(sql("fingerprints"), *where)
        now = mark(session, layout)
    found = Status(window, tuple(models), *_frames(dates))
    expected = found.counts.filter(pl.col("expected") > 0).get_column("miner_model").unique().to_list()
    if expected and set(expected) != set(models):
        raise LedgerError(f"what is kept is of the miner models {', '.join(sorted(expected))}", NOTHING_KEPT)
    taken_at = min((date["taken_at"] for date in dates), default="")
    return Cached(found, taken_at, all(date["source_mark"] == now for date in dates))


def _frames(dates: Sequence[dict[str, Any]]) -> tuple[pl.DataFrame, pl.DataFrame]:
    source = [tuple(date[name] for name in SOURCE) for date in dates if date["source_rows"]]
    counts = [(date["settlement_date"], *row) for date in dates for row in json.loads(date["counts"])]
    return pl.DataFrame(source, schema=SOURCE, orient="row"), pl.DataFrame(counts, schema=gaps.COUNTS, orient="row")


def _table(layout: Layout) -> str:
    """The calculations by their oid: another table of the name is another one."""
    return f"{layout.calculations_oid} of {layout.curtailment_oid}"
