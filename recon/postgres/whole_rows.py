"""Stored rows whole: each column as the text that its own type writes, and from which it comes back equal."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from recon.core.names import quote_identifier
from recon.postgres.tables import Tables


@dataclass(frozen=True)
class WholeTable:
    """The calculations as the server knows them. relation: their qualified name as SQL; identity: what tells them
    within this database, whatever their name; types: every column's type, in order.
    """

    relation: str
    identity: str
    types: dict[str, str]
    writable: tuple[str, ...]
    must_be_given: tuple[str, ...]

    @property
    def types_json(self) -> str:
        """The types as they are kept beside a row."""
        return json.dumps(self.types)

    @property
    def whole(self) -> str:
        """SQL for the row `t` as JSON: every column's text by its name. format() writes as the type's own output does,
        where a cast may be somebody's function; a composite of nulls is not null.
        """
        texts = (f"case when num_nulls({name}) = 0 then format('%s', {name}) end" for name in self._named("t."))
        return f"jsonb_object(array[{', '.join(map(_literal, self.types))}]::text[], array[{', '.join(texts)}]::text[])"

    def insertion(self, names: Sequence[str]) -> dict[str, str]:
        """The `{columns}` and `{values}` of an insert of these columns from `r.kept`, a row of the table's own type."""
        columns = [quote_identifier(name) for name in self.writable if name in names]
        return {"columns": ", ".join(columns), "values": ", ".join(f"(r.kept).{name}" for name in columns)}

    def _named(self, prefix: str) -> list[str]:
        return [prefix + quote_identifier(name) for name in self.types]


def whole_table(tables: Tables) -> WholeTable:
    """The calculations as they are now."""
    oid = tables.layout.calculations_oid
    (known,) = _identities(tables, [oid])
    columns = tables.session.query("postgres/whole_columns", oid)
    return WholeTable(
        known["relation"],
        known["identity"],
        {row["name"]: row["type_name"] for row in columns},
        tuple(row["name"] for row in columns if row["writable"]),
        tuple(row["name"] for row in columns if row["must_be_given"]),
    )


def relations(tables: Tables) -> dict[str, str]:
    """The qualified names of both tables, as the server has them, however they were typed."""
    oids = {"curtailment": tables.layout.curtailment_oid, "calculations": tables.layout.calculations_oid}
    found = {row["oid"]: row["relation"] for row in _identities(tables, list(oids.values()))}
    return {name: found[oid] for name, oid in oids.items()}


def _identities(tables: Tables, oids: list[int]) -> list[dict[str, Any]]:
    return tables.session.query("postgres/table_identity", oids)


def pin_text(tables: Tables) -> None:
    """Until the transaction ends, texts of values are those that come back equal."""
    tables.session.query("postgres/exact_text")


def parts(tables: Tables, table: WholeTable) -> dict[str, str]:
    """What fills in the SQL files that keep, change and put back whole rows."""
    kinds = {name: "float8" if column.is_float else "numeric" for name, column in tables.layout.stored_columns.items()}
    types = {"btc_type": kinds["bitcoin_mined"], "difficulty_type": kinds["difficulty"]}
    return {**tables.layout.raw_columns, **types, "table": table.relation, "whole": table.whole}


def places(row_ids: Sequence[str]) -> list[str]:
    """The places (ctid) of rows, of names that begin with table and place."""
    return [row_id.split("/")[1] for row_id in row_ids]


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
