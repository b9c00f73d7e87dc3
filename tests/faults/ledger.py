"""A ledger that is not as this version of recon left it."""

from __future__ import annotations

from tests.faults.catalogue import fault
from tests.faults.data import DATES
from tests.faults.harness import SLOWLY, Trial, kill
from tests.support.forked import Process

SKIP = 5


def killed_on_the_way(trial: Trial) -> None:
    """A run that died with some dates done; its user sees nothing of what is to come."""
    running: list[Process] = []

    def act(_: bytes) -> None:
        kill(running[0])

    with trial.at("before COMMIT", act, skip=SKIP):
        running.append(trial.start(*SLOWLY))
        running[0].communicate()
    trial.sessions_end()


@fault(
    "a ledger of an older version; its schema is renamed, as the line says", 2, sees="version 0, .* rename the schema"
)
def older_version(trial: Trial) -> None:
    assert trial.program.run("init", url=trial.url).code == 0
    trial.database.execute("update recon.ledger_version set version = 0")
    for command in ("resume", "fix"):
        trial.recon(command)
    trial.database.execute("alter schema recon rename to recon_0")


@fault("a run's parameters damaged by hand", 2, sees="parameters of run RUN are damaged; start anew with 'recon fix'")
def damaged_parameters(trial: Trial) -> None:
    killed_on_the_way(trial)
    trial.database.execute("update recon.runs set parameters = '[]'")
    trial.recon("resume")
    assert trial.program.run("fix", url=trial.url).code == 0
    assert trial.program.run("resume", url=trial.url).code == 0, "what was started anew is not asked for again"


@fault("the line of a date still to do deleted by hand", 1, sees="missing|not reconciled")
def line_deleted(trial: Trial) -> None:
    killed_on_the_way(trial)
    trial.database.execute(f"delete from recon.run_dates where settlement_date = '{DATES[0]}'")
    trial.recon("resume")


@fault("the line of a date deleted by hand while it is worked on", 2, sees="someone removed its lines; .*'recon fix'")
def line_deleted_meanwhile(trial: Trial) -> None:
    rival = trial.rival()

    def act(piece: bytes) -> bytes:
        rival.execute(f"delete from recon.run_dates where settlement_date = '{DATES[-1 - SKIP]}'")
        return piece

    with trial.at("recording", act, skip=SKIP):
        trial.recon(*SLOWLY)
