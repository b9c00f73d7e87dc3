"""Roles that may do less than the work needs; what is missing is then granted, and the same role finishes."""

from __future__ import annotations

from tests.faults.catalogue import fault
from tests.faults.harness import Trial
from tests.support.databases import TABLE

ROLE = "clerk"
PASSWORD = "not-the-least-secret"
GRANTS = {
    "SELECT": "select on curtailment_records, historical_bitcoin_calculations",
    "INSERT": f"insert on {TABLE}",
    "USAGE": f"usage on sequence {TABLE}_id_seq",
    "CREATE": "create on database {database}",
}
"""All that a writer needs."""


def grant(trial: Trial, *names: str) -> None:
    """Gives the role what it needs, by the names above."""
    for name in names:
        trial.database.execute(f"grant {GRANTS[name].format(database=trial.database.name)} to {ROLE}")


def run_without(trial: Trial, name: str) -> None:
    """The role has all grants but one."""
    trial.server.create_role(ROLE, PASSWORD)
    trial.url = trial.server.role_url(ROLE, PASSWORD, trial.database.name)
    grant(trial, *(GRANTS.keys() - {name}))
    trial.recon("fix")


@fault("a role without INSERT", 3, sees="no INSERT privilege on .*; ask its owner for: GRANT INSERT")
def no_insert(trial: Trial) -> None:
    run_without(trial, "INSERT")
    grant(trial, "INSERT")


@fault("a role without USAGE of the id's sequence", 3, sees="no USAGE privilege on sequence .*GRANT USAGE")
def no_usage(trial: Trial) -> None:
    run_without(trial, "USAGE")
    grant(trial, "USAGE")


@fault("a role without SELECT on the source", 3, sees="no SELECT privilege on .*GRANT SELECT")
def no_select(trial: Trial) -> None:
    run_without(trial, "SELECT")
    grant(trial, "SELECT")


@fault(
    "a role without CREATE: the ledger's statements are printed, and an administrator runs them",
    3,
    sees="ledger cannot be created: permission denied .*ask an administrator to run:",
    more_lines=True,
)
def no_create(trial: Trial) -> None:
    run_without(trial, "CREATE")
    _, _, statements = trial.seen[0].stderr.partition("run:\n")
    for statement in filter(str.strip, statements.split(";\n")):
        trial.database.execute(statement)
    trial.database.execute(f"grant usage on schema recon to {ROLE}")
    trial.database.execute(f"grant select, insert, update on all tables in schema recon to {ROLE}")
