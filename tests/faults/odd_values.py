"""Values that no column forbids and no calculation can use: of the source, and stored."""

from __future__ import annotations

from tests.faults.catalogue import fault
from tests.faults.data import DATES
from tests.faults.harness import Trial
from tests.faults.program import ended
from tests.support.databases import TABLE

DAY = DATES[5]
INVALID = r"WARNING: (1 source row|4 source rows) cannot be priced"
ONE = f"id = (select min(id) from {TABLE})"


def unpriced(trial: Trial, *rows: tuple) -> None:
    """Source rows that are reported and left alone; all others are priced."""
    trial.database.add_curtailment(*rows)
    trial.truth.remember_tables()
    trial.recon("fix")


@fault("a source row of 1e34 MWh", sees=INVALID)
def beyond_every_volume(trial: Trial) -> None:
    unpriced(trial, (DAY, 3, "T_FARM-1", "1e34"))


@fault("source rows of NaN, of infinite and of 1e400 MWh", sees=INVALID)
def no_volume(trial: Trial) -> None:
    unpriced(trial, *((DAY, 3, "T_FARM-1", volume) for volume in ("NaN", "Infinity", "-Infinity", "1e400")))


@fault("source rows dated null, infinite and before the year 1", sees=INVALID)
def no_date(trial: Trial) -> None:
    trial.database.execute("alter table curtailment_records alter settlement_date drop not null")
    days = ("infinity", "-infinity", "0044-03-15 BC", None)
    unpriced(trial, *((day, 1, "T_FARM-1", "-5") for day in days))
    trial.recon("diagnose", "test")


@fault("stored BTC of 1e400, and a difficulty of NaN: corrected where they are")
def beyond_every_figure(trial: Trial) -> None:
    trial.database.execute(f"update {TABLE} set bitcoin_mined = 1e400 where {ONE}")
    trial.database.execute(f"update {TABLE} set difficulty = 'NaN' where id = 5")
    assert trial.program.run("status", "--values", url=trial.url).code == 1
    trial.truth.hand_over(f"settlement_date = '{DATES[3]}'")
    trial.recon("date", DATES[3], "--repair", "missing,wrong", "--yes", "--max-changes", "100%")


@fault("a stored row at period 51, which its source row has, too: removed as an orphan", sees=INVALID)
def period_51(trial: Trial) -> None:
    trial.database.add_curtailment((DATES[3], 51, "T_FARM-1", "-5"))
    trial.database.add_calculations((DATES[3], 51, "T_FARM-1", "S9", 1, 1))
    trial.truth.remember_tables()
    assert "--repair orphan" in ended(trial.start("explain", DATES[3], 51, "T_FARM-1")).stdout
    trial.recon("fix", "--repair", "missing,orphan", "--yes")
