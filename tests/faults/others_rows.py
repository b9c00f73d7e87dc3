"""What is not recon's: rows that refer to its own, other people's columns, tables and settings."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import adbc_driver_postgresql.dbapi as adbc

from tests.faults.catalogue import fault
from tests.faults.data import DATES
from tests.faults.harness import Trial
from tests.support.databases import TABLE
from tests.support.poolers import start_bouncer

STALE = f"id = (select min(id) from {TABLE})"
PAYOUTS = f"create table payouts (calc_id integer references {TABLE} (id) {{}}, paid numeric)"
CORRECT = ("date", DATES[3], "--repair", "missing,wrong", "--yes", "--max-changes", "100%")
ORPHAN = (DATES[3], 1, "T_NOBODY", "S9", 1, 1)

ODD = (
    "t text default 't'",
    "s integer default 7",
    'c json default \'{"a" :1,  "a": 2}\'',
    "w jsonb default 'null'",
    "bounds integer[] default '[0:1]={7,8}'",
    "zero float8 default '-0'",
    "span interval default '1 mon -3 days'",
    "ever timestamptz default 'infinity'",
    'nothing text[] default \'{NULL,"NULL",""}\'',
)
"""Columns that others added."""


def no_pooler() -> str:
    """Why there is no PgBouncer."""
    return "" if shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin") else "no PgBouncer"


def paid_for(trial: Trial, reaction: str) -> None:
    """Somebody's payouts refer to every row that is there."""
    trial.database.execute(PAYOUTS.format(reaction))
    trial.database.execute(f"insert into payouts select id, 5 from {TABLE}")
    trial.truth.remember_tables("payouts")


@fault("stale rows are corrected that another table refers to, `on delete cascade`")
def corrected_under_a_cascade(trial: Trial) -> None:
    paid_for(trial, "on delete cascade")
    trial.truth.hand_over(f"settlement_date = '{DATES[3]}'")
    trial.recon(*CORRECT)


@fault("orphans are to be removed that another table refers to, `on delete set null`", 2, sees="payouts")
def removed_under_a_set_null(trial: Trial) -> None:
    trial.database.add_calculations(ORPHAN)
    paid_for(trial, "on delete set null")
    trial.refused("fix", "--repair", "orphan", "--yes")
    trial.truth.hand_over("farm_id = 'T_NOBODY'")
    trial.database.execute("alter table payouts drop constraint payouts_calc_id_fkey")
    assert trial.program.run("fix", "--repair", "orphan", "--yes", url=trial.url).code == 1


@fault("an orphan of the oddest columns and types, called t and s, too, is removed and put back")
def put_back(trial: Trial) -> None:
    trial.database.execute(f"alter table {TABLE} " + ", ".join(f"add {column}" for column in ODD))
    trial.database.add_calculations(ORPHAN)
    trial.truth.remember_rows()
    before = trial.database.whole_rows()
    trial.recon("fix", "--repair", "missing,orphan", "--yes")
    (run,) = trial.database.rows("select run_id from recon.runs")[0]
    assert trial.program.run("quarantine", "restore", run, "--yes", url=trial.url).code == 0
    assert before <= trial.database.whole_rows()
    trial.truth.remember_rows("farm_id = 'T_NOBODY'")


@fault("a restore into another table of the same name", 2, sees="took 1 row out of public.* not out of theirs")
def restored_elsewhere(trial: Trial) -> None:
    trial.database.add_calculations(ORPHAN)
    assert trial.program.run("fix", "--repair", "missing,orphan", "--yes", url=trial.url).code == 0
    trial.database.execute("create schema theirs")
    for table in ("curtailment_records", TABLE):
        trial.database.execute(f"create table theirs.{table} (like public.{table} including all)")
    (run,) = trial.database.rows("select run_id from recon.runs")[0]
    trial.refused("quarantine", "restore", run, "--yes", url=f"{trial.url}?schema=theirs")


@fault("PgBouncer in transaction mode, a pool of one, three runs at once", impossible=no_pooler)
def pooled(trial: Trial) -> None:
    bouncer = start_bouncer(trial.server, 1, {})
    trial.afterwards.callback(bouncer.stop)
    trial.url = bouncer.url(trial.url)
    for process in [trial.start("fix", 1) for _ in range(3)]:
        trial.watch(process)
    with adbc.connect(trial.url) as other, other.cursor() as cursor:
        cursor.execute(
            "select current_setting('statement_timeout'), current_setting('lock_timeout'),"
            " (select count(*) from pg_locks where locktype = 'advisory')"
        )
        assert cursor.fetchone() == ("0", "0", 0), "nothing of recon's stays on the server's connection"
    trial.url = trial.database.url
    bouncer.stop()


@fault("a recon.toml of others in the directory", 2, sees="others may write .*recon.toml; chmod go-w")
def foreign_configuration(trial: Trial) -> None:
    trial.program.place = Path(trial.afterwards.enter_context(TemporaryDirectory()))
    theirs = trial.program.place / "recon.toml"
    theirs.write_text('log_file = "theirs.log"\n')
    theirs.chmod(0o666)
    trial.refused("fix")
    assert os.listdir(trial.program.place) == ["recon.toml"]
    trial.program.place = None


@fault("what rewrote tables and what trusted statistics is gone", 2, sees="No such option: --partition-by")
def gone(trial: Trial) -> None:
    trial.refused("init", "--partition-by", "month", "--yes")
    trial.refused("status", "--cached")
