# %%
"""From a database to a month's figures in a notebook: how far the tables agree, what a run would do, one date's proof,
what is in an export, one key's arithmetic. It only reads.

The database is RECON_DATABASE_URL, or the embedded one that `recon demo` has filled; the export is in the directory
given, or in `slice`. Editors that know percent cells run it cell by cell.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import polars as pl

import recon

if not any(name in os.environ for name in ("RECON_DATABASE_URL", "DATABASE_URL", "PGHOST", "PGSERVICE")):
    os.environ["RECON_DATABASE_URL"] = "embedded"
slice_directory = Path(sys.argv[1] if len(sys.argv) > 1 else "slice")

# %% How far do the tables agree? A report knows its JSON document; its frames are Polars frames.
status = recon.status(values=True)
print(f"{status.to_dict()['percent']} % reconciled, {status.total('missing'):,} missing")
print(status.incomplete.head())

# %% What would `recon.fix()` write? Nothing is written here.
plan = recon.plan()
print(plan.to_frame().select("settlement_date", "status", "missing").head())

# %% The proof of the date with the most keys.
busiest = status.to_frame().filter(pl.col("expected") > 0).sort("expected").get_column("settlement_date").last()
proof = recon.verify(first=busiest, last=busiest)
print(proof.to_frame())

# %% The slice that `recon export --out slice` wrote: is it whole and right? Then a month is one line of Polars.
if slice_directory.exists():
    assert recon.status(from_export=slice_directory).reconciled
    rows = pl.scan_parquet(f"{slice_directory}/*/*.parquet", hive_partitioning=True)
    by_month = rows.group_by("month").agg(pl.col("energy_mwh").sum(), pl.col("^btc_.*$").sum()).sort("month")
    print(by_month.collect())
    first = rows.select("settlement_date", "settlement_period", "farm_id").head(1).collect().row(0)
    print(recon.explain(*first).to_frame())

# %% What goes wrong is a ReconError that says what to do next.
try:
    recon.status(first="2024-13-01")
except recon.ReconError as error:
    print(f"{error.message} (exit code {int(error.exit_code)}): {error.hint}")
