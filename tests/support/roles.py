"""Roles with exactly the privileges that the guide to privileges grants them."""

from __future__ import annotations

import re

from tests.support.databases import Database
from tests.support.readme import GUIDES, blocks

GRANTS = {
    block.split("\n")[0].removeprefix("-- ").split(":")[0]: re.findall(r"^GRANT [^;]+ TO \w+;$", block, re.M)
    for block in blocks("sql", GUIDES["privileges"])
    if "GRANT " in block
}
"""The GRANT statements of the guide's SQL blocks that have any, by the first comment of each."""
READER = "a reader"
WRITER = "a writer"
REPAIRER = "a repairer"


def role_url(database: Database, name: str, *kinds: str) -> str:
    """The URL of a role of the database's own that got the grants of these kinds."""
    role = f"{name}_{database.name}"
    database.server.create_role(role, "pw")
    grant(database, role, *kinds)
    return database.server.role_url(role, "pw", database.name)


def grant(database: Database, role: str, *kinds: str) -> None:
    """The grants of these kinds, to a role of another name."""
    for kind in kinds:
        for statement in GRANTS[kind]:
            database.execute(re.sub(r" TO \w+;", f' TO "{role}"', statement))
