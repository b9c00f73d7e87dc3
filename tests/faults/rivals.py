"""Others who write to the same tables at the same time: other programs, and other runs of recon."""

from __future__ import annotations

import threading
from datetime import date

from tests.faults.catalogue import fault
from tests.faults.data import DATES
from tests.faults.harness import SLOWLY, Trial
from tests.faults.limits import every_row
from tests.support.databases import TABLE, Database
from tests.support.servers import wait_until

SKIP = 3
DAY = DATES[-1 - SKIP]
"""What SLOWLY works on after so many chunks: it begins with the newest date."""
THEIR_BTC = "7.5"
WAITING = "select count(*) from pg_locks where not granted"


def write(rival: Database, day: date, period: int, order: str = "") -> None:
    """A rival's own figures for the S9 at one settlement period."""
    rival.execute(
        f"insert into {TABLE} (settlement_date, settlement_period, farm_id, miner_model, bitcoin_mined,"
        " difficulty)"
        f" select settlement_date, settlement_period, farm_id, 'S9', {THEIR_BTC}, 3 from curtailment_records"
        f" where settlement_date = '{day}' and settlement_period = {period} group by 1, 2, 3 {order}"
    )


def remember(trial: Trial) -> None:
    """The rival's rows are to stay."""
    trial.truth.remember_rows(f"bitcoin_mined = {THEIR_BTC}")
    assert any(key[0] == DAY for key, _ in trial.truth.others.values()), "the rival has written nothing"


def rival_writes_at_once(trial: Trial) -> None:
    """The rival's rows are committed between recon's reading and its COPY."""
    rival = trial.rival()

    def act(piece: bytes) -> bytes:
        write(rival, DAY, 1)
        return piece

    with trial.at("copying", act, skip=SKIP):
        trial.recon(*SLOWLY)
    remember(trial)


@fault("a rival inserts the same keys, without the unique index")
def same_keys(trial: Trial) -> None:
    rival_writes_at_once(trial)


@fault("a rival inserts the same keys, with the unique index")
def same_keys_unique(trial: Trial) -> None:
    trial.database.add_unique_index()
    rival_writes_at_once(trial)


@fault("a rival inserts the same keys and commits while COPY waits for it")
def same_keys_held(trial: Trial) -> None:
    trial.database.add_unique_index()
    rival, watcher = trial.rival(), trial.rival()

    def commit() -> None:
        wait_until(lambda: watcher.scalar(WAITING) > 0, what="recon's waiting for the rival")
        rival.execute("commit")

    committing = threading.Thread(target=commit)

    def act(piece: bytes) -> bytes:
        rival.execute("begin")
        write(rival, DAY, 1)
        committing.start()
        return piece

    with trial.at("copying", act, skip=SKIP):
        trial.recon(*SLOWLY)
    committing.join()
    remember(trial)


@fault("deadlock with a rival, recon being the one to give way")
def deadlock(trial: Trial) -> None:
    """The rival has recon's last key and wants its first; it is ready to wait longer than recon."""
    trial.database.add_unique_index()
    rival, watcher = trial.rival(), trial.rival()
    rival.execute("set deadlock_timeout = '60s'")

    def want_the_first() -> None:
        wait_until(lambda: watcher.scalar(WAITING) > 0, what="recon's waiting for the rival")
        write(rival, DAY, 1)
        rival.execute("commit")

    wanting = threading.Thread(target=want_the_first)

    def act(piece: bytes) -> bytes:
        rival.execute("begin")
        write(rival, DAY, 46)
        wanting.start()
        return piece

    before = deadlocks(watcher)
    with trial.at("copying", act, skip=SKIP):
        trial.recon(*SLOWLY)
    wanting.join()
    remember(trial)
    wait_until(lambda: deadlocks(watcher) > before, what="the server's count of deadlocks")


def deadlocks(database: Database) -> int:
    """How many the server has ended in this database."""
    return int(database.scalar("select deadlocks from pg_stat_database where datname = current_database()"))


@fault("serialization failure (raised by a trigger: recon's own transactions are READ COMMITTED)")
def serialization_failure(trial: Trial) -> None:
    failure = "raise exception 'could not serialize access' using errcode = '40001'"
    every_row(trial, f"if nextval('once') = 300 then {failure}; end if")
    trial.recon(*SLOWLY)


def source_changes(trial: Trial, statement: str) -> None:
    """Somebody changes the curtailment of the date that recon has just read."""
    rival = trial.rival()

    def act(piece: bytes) -> bytes:
        rival.execute(statement)
        return piece

    with trial.at("copying", act, skip=SKIP):
        trial.recon(*SLOWLY)
    changed = rival.rows(
        "select settlement_date, settlement_period, farm_id, volume::text from curtailment_records order by id"
    )
    assert sorted(changed) != sorted(trial.truth.source)
    trial.truth.source = tuple(changed)
    trial.truth.remember_tables()


@fault("source rows change while their chunk is processed")
def source_restated(trial: Trial) -> None:
    source_changes(trial, f"update curtailment_records set volume = volume - 1 where settlement_date = '{DAY}'")


@fault("source rows appear while their chunk is processed")
def source_added(trial: Trial) -> None:
    source_changes(
        trial,
        "insert into curtailment_records (settlement_date, settlement_period, farm_id, volume, payment, original_price,"
        f" final_price) select settlement_date, 2, farm_id, volume, 0, 0, 0 from curtailment_records"
        f" where settlement_date = '{DAY}' and settlement_period = 1",
    )


@fault("source rows vanish while their chunk is processed")
def source_removed(trial: Trial) -> None:
    source_changes(trial, f"delete from curtailment_records where settlement_date = '{DAY}' and settlement_period = 1")


def several(trial: Trial, *arguments: tuple[object, ...]) -> None:
    """So many runs at once."""
    for process in [trial.start(*each) for each in arguments]:
        trial.watch(process)


@fault("two runs at once on the same window")
def two_runs(trial: Trial) -> None:
    several(trial, ("fix", 1), ("fix", 1))


@fault("four runs at once on the same window, in other batches and orders")
def four_runs(trial: Trial) -> None:
    several(trial, ("fix", 1), ("fix", 2, "--order", "oldest"), ("fix", 5), ("fix", 14, "--workers", 1))


@fault("two runs at once on overlapping windows")
def two_overlapping(trial: Trial) -> None:
    several(trial, ("range", DATES[0], DATES[8], 3), ("range", DATES[4], DATES[-1], 2))


@fault("four runs at once on overlapping windows")
def four_overlapping(trial: Trial) -> None:
    windows = ((0, 6), (3, 9), (6, 13), (0, 13))
    several(trial, *(("range", DATES[first], DATES[last], 2) for first, last in windows))
