"""All that a database holds, apart from recon's ledger: what a run that is refused has to leave as it is."""

from __future__ import annotations

from tests.faults.judge import Verdict
from tests.support.databases import Database

TABLES = """
select c.oid::regclass::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind = 'r' and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
    and (n.nspname <> 'recon' or c.relname in ('curtailment_records', 'historical_bitcoin_calculations'))
order by 1
"""
Image = dict[str, frozenset[str]]
"""By table: every row as text, with the transaction that wrote it and its place."""


def image(database: Database) -> Image:
    """Everything that is stored at this moment."""
    return {
        name: frozenset(
            text for (text,) in database.rows(f"select the_row::text || xmin::text || ctid::text from {name} the_row")
        )
        for (name,) in database.rows(TABLES)
    }


def difference(before: Image, now: Image) -> Verdict:
    """What is no longer as it was."""
    changed = [f"{name}: {text}" for name in before | now for text in before.get(name, _NONE) ^ now.get(name, _NONE)]
    return Verdict(touched=len(changed), notes=tuple(f"touched {text}" for text in changed[:1]))


_NONE: frozenset[str] = frozenset()
