"""What cannot go well, and has to say so in its one line: addresses, standbys, indexes, rows that are half a key."""

from __future__ import annotations

import os
import signal

from tests.faults.catalogue import fault
from tests.faults.data import DATES
from tests.faults.harness import SLOWLY, Trial, kill
from tests.faults.judge import unfinished
from tests.support.databases import TABLE
from tests.support.forked import Process
from tests.support.servers import wait_until

ROLE, PASSWORD = "guest", "not-the-least-secret"
INDEXES = f"select indisvalid from pg_index where indrelid = '{TABLE}'::regclass and not indisprimary"


@fault("a database that does not exist", 3, sees='database "nowhere" does not exist; check the database\'s name')
def no_database(trial: Trial) -> None:
    for command in ("status", "fix", "daily"):
        trial.refused(command, url=trial.server.role_url("postgres", database="nowhere"))


@fault("a role that does not exist", 3, sees='role "nobody_here" does not exist; check the user in the URL')
def no_role(trial: Trial) -> None:
    socket = f"host={trial.server.directory}&port={trial.server.port}"
    for command in ("status", "fix", "daily"):
        trial.refused(command, url=f"postgresql://nobody_here@/{trial.database.name}?{socket}")


@fault("`idle_session_timeout` of the role, shorter than a pause", 3, sees="by its idle_session_timeout .*ALTER ROLE")
def idle_session(trial: Trial) -> None:
    trial.server.create_role(ROLE, PASSWORD)
    trial.database.execute(f"grant select, insert on {TABLE}, curtailment_records to {ROLE}")
    trial.database.execute(f"grant usage on sequence {TABLE}_id_seq to {ROLE}")
    trial.database.execute(f'grant create on database "{trial.database.name}" to {ROLE}')
    trial.server.execute(f"alter role {ROLE} set idle_session_timeout = '300ms'")
    trial.url = trial.server.role_url(ROLE, PASSWORD, trial.database.name)
    trial.recon("minimal", "sequence", DATES[0], 30, "--pause", 1)
    trial.server.execute(f"alter role {ROLE} reset idle_session_timeout")


@fault("files that were asked for, and a umask that lets a group read")
def umask(trial: Trial) -> None:
    files = [trial.stage.home / name for name in ("umask.log", "umask.json")]
    trial.recon("fix", "--log-file", files[0])
    trial.recon("verify", "--out", files[1])
    mask = os.umask(0o022)
    os.umask(mask)
    for path in files:
        assert path.stat().st_mode & 0o777 == 0o666 & ~mask
        path.unlink()


@fault("Ctrl-C in a notebook cell with `recon.fix`", sees="^interrupted$")
def notebook(trial: Trial) -> None:
    trial.program.tampering = "notebook"
    running: list[Process] = []
    with trial.at("before COMMIT", lambda _: kill(running[0], signal.SIGINT), skip=3):
        running.append(trial.start(*SLOWLY))
        trial.watch(running[0])
    trial.program.tampering = ""
    assert unfinished(trial.database)


@fault("a synchronous standby that is away", 3, sees="synchronous standby is away .*ALTER SYSTEM SET", durable=True)
def standby(trial: Trial) -> None:
    trial.database.execute("set synchronous_commit = local")
    await_standbys(trial, "FIRST 1 (away)")
    for command in ("fix", "init"):
        trial.refused(command)
    await_standbys(trial, "")


def await_standbys(trial: Trial, names: str) -> None:
    """Commits wait for these from now on."""
    trial.database.execute(f"alter system set synchronous_standby_names = '{names}'")
    trial.database.execute("select pg_reload_conf()")
    wait_until(lambda: trial.database.scalar("select current_setting('synchronous_standby_names')") == names)


@fault("a date many times larger than a chunk, and a kill on its way", -9, sees="")
def large_date(trial: Trial) -> None:
    trial.program.tampering = "small-chunks"
    running: list[Process] = []
    with trial.at("before COMMIT", lambda _: kill(running[0]), skip=1):
        running.append(trial.start(*SLOWLY))
        trial.watch(running[0])


@fault("the same, to its end, then `status --values`", 1, sees="^not reconciled: 0 missing, .* 0 orphan, .* wrong$")
def large_dates(trial: Trial) -> None:
    trial.program.tampering = "small-chunks"
    assert trial.program.run("fix", url=trial.url).code == 0
    trial.recon("status", "--values")


@fault("a stored row without a farm, period and model, `--repair orphan`")
def half_a_key(trial: Trial) -> None:
    trial.database.add_calculations((DATES[3], 1, "T_NOBODY", "S9", 1, 1))
    for column in ("farm_id", "settlement_period", "miner_model"):
        trial.database.execute(f"alter table {TABLE} alter {column} drop not null")
        trial.database.execute(f"update {TABLE} set {column} = null where bitcoin_mined = 1")
    trial.recon("fix", "--repair", "missing,orphan", "--yes")
    assert trial.database.count("recon.quarantine") == 1
    assert trial.database.count(TABLE, "farm_id is null") == 0


@fault("`init --unique-index` that ends on a lock timeout", 3, sees="lock")
def invalid_index(trial: Trial) -> None:
    rival = trial.rival()
    rival.execute("begin")
    rival.execute(f"update {TABLE} set difficulty = difficulty where false")
    trial.refused("init", "--unique-index", "--lock-timeout", 1)
    rival.execute("rollback")
    assert trial.program.run("init", "--unique-index", url=trial.url).code == 0
    assert trial.database.rows(INDEXES) == [(True,)]
