"""Files of difficulties, subsidies and miner models that say less than they seem to, or something else."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path

from tests.faults.catalogue import fault
from tests.faults.data import DATES
from tests.faults.harness import Trial
from tests.support import oracle
from tests.support.builders import days

BEFORE, SINCE = (oracle.difficulty(DATES[0]), oracle.difficulty(DATES[-1]))
CHANGE = date(2024, 4, 24)
"""The difficulty changes in the course of this date."""
HALVING = date(2024, 4, 20)
UNKNOWN = "{} blocked: no difficulty is known for (this date|these dates); run 'recon difficulty update"


def file(trial: Trial, name: str, lines: Iterable[str]) -> Path:
    """A file beside recon's own."""
    path = trial.stage.home / name
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    trial.afterwards.callback(path.unlink, missing_ok=True)
    return path


def daily(trial: Trial, dates: Iterable[date], **others: object) -> Path:
    """Each date with what was in force at its 00:00, or with another figure."""
    said = {day: oracle.difficulty(day) for day in dates} | {CHANGE: others.get("change", BEFORE)}
    return file(trial, "daily.csv", ["date,difficulty", *(f"{day},{said[day]}" for day in dates)])


@fault("a daily file of difficulty that leaves out a day", 4, sees=UNKNOWN.format(f"{HALVING} is"))
def left_out(trial: Trial) -> None:
    trial.recon("fix", "--difficulty", daily(trial, [day for day in DATES if day != HALVING]))


@fault("a file of three days' difficulty for two weeks", 4, sees=UNKNOWN.format(rf"11 dates \(first {DATES[0]}\) are"))
def three_days(trial: Trial) -> None:
    trial.recon("fix", "--difficulty", daily(trial, days(date(2024, 4, 18), 3)))


@fault(
    "epochs far apart: what was in force between them is not known",
    4,
    sees=UNKNOWN.format(rf"11 dates \(first {DATES[0]}\) are"),
)
def hole(trial: Trial) -> None:
    lines = (
        "height,starts_at_utc,difficulty,time_is",
        "834624,2024-03-14T06:00:00Z,83947913181361,exact",
        f"840672,2024-04-24T03:00:00Z,{SINCE},exact",
    )
    trial.recon("fix", "--difficulty", file(trial, "hole.csv", lines))


@fault("epochs without a time of day")
def without_a_time(trial: Trial) -> None:
    first = DATES[0] - timedelta(days=4)
    lines = "2024-03-28,83126997340025", f"{first},{BEFORE}", f"{CHANGE},{SINCE}"
    trial.recon("fix", "--difficulty", file(trial, "epochs.csv", ["date,difficulty", *lines]))


@fault("daily means of difficulty", 2, sees="a list of daily means, which are no difficulties")
def means(trial: Trial) -> None:
    mean = (BEFORE + SINCE) // 2
    trial.refused("fix", "--difficulty", daily(trial, DATES, change=mean))
    trial.refused("difficulty", "update", "--force", "--from", daily(trial, DATES, change=mean))


@fault("a decimal comma in the block subsidies", 2, sees="subsidy_btc is '3,125'; it may have a decimal comma")
def comma_in_a_subsidy(trial: Trial) -> None:
    lines = "starts_on,subsidy_btc", "2020-05-11,6.25", '2024-04-20,"3,125"'
    trial.refused("fix", "--subsidy", file(trial, "subsidies.csv", lines))


@fault("a decimal comma in the miner models", 2, sees="hashrate_ths is '13,5'; a decimal comma is not read")
def comma_in_a_miner(trial: Trial) -> None:
    lines = "miner_model,hashrate_ths,power_w", "S19J_PRO,100,3050", 'S9,"13,5",1323', "M20S,68,3360"
    trial.refused("fix", "--miners", file(trial, "miners.csv", lines))


@fault("miner models in W per GH", 2, sees="J/TH")
def another_unit(trial: Trial) -> None:
    lines = "miner_model,hashrate_ths,power_w", "S19J_PRO,100000,3050", "S9,13500,1323", "M20S,68000,3360"
    trial.refused("fix", "--miners", file(trial, "miners.csv", lines))
