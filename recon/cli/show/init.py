"""The answer of `recon init`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recon.cli.call import Call
from recon.core.suggestions import Suggestion

if TYPE_CHECKING:
    from recon.postgres.setup import InitReport


def init(call: Call, found: InitReport) -> None:
    """The answer of `recon init`."""
    if call.json:
        return call.print_json(found.to_dict())
    if found.dry_run and not found.ledger_fits:
        call.say(found.ledger_ddl)
    elif found.ledger_fits:
        call.say("the ledger (schema recon) exists")
    else:
        call.say("the ledger (schema recon) was " + ("upgraded" if found.ledger_existed else "created"))
    if found.invalid_index:
        state = "is dropped first" if found.dry_run else "was dropped"
        call.say(f"the INVALID index {found.invalid_index}, left by an init that was stopped, {state}")
    if found.index_existed:
        call.say("the unique index exists")
    elif found.index_created:
        call.say("the unique index was created")
    else:
        create = call.suggest(Suggestion("init", "--unique-index"))
        call.say(f"no unique index keeps duplicates out; '{create}' runs:\n  {found.index_statement};")
        if found.duplicates:
            remedy = call.suggest(Suggestion("fix", "--repair", "duplicate,orphan", "--yes"))
            call.say(f"{found.duplicates:,} duplicates stand in its way; '{remedy}' removes them")
