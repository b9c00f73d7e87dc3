"""What is not recon's: rows that refer to its own, other people's columns, tables and settings."""

from __future__ import annotations

from tests.faults.catalogue import fault
from tests.faults.data import DATES
from tests.faults.harness import Trial
from tests.faults.judge import CALCULATIONS

STALE = f"id = (select min(id) from {CALCULATIONS})"
PAYOUTS = f"create table payouts (calc_id integer references {CALCULATIONS} (id) {{}}, paid numeric)"
CORRECT = ("date", DATES[3], "--repair", "missing,stale", "--yes", "--max-changes", "100%")
ORPHAN = (DATES[3], 1, "T_NOBODY", "S9", 1, 1)


def paid_for(trial: Trial, reaction: str) -> None:
    """Somebody's payouts refer to every row that is there."""
    trial.database.execute(PAYOUTS.format(reaction))
    trial.database.execute(f"insert into payouts select id, 5 from {CALCULATIONS}")
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
