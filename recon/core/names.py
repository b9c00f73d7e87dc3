"""Names of tables and columns, as the user gives them and as SQL."""

from __future__ import annotations

import re
from dataclasses import dataclass

from recon.core.errors import UsageError

CURTAILMENT_COLUMNS = ("settlement_date", "settlement_period", "farm_id", "volume")
CALCULATION_COLUMNS = (
    "settlement_date",
    "settlement_period",
    "farm_id",
    "miner_model",
    "bitcoin_mined",
    "difficulty",
)


def quote_identifier(name: str) -> str:
    """A name as an SQL identifier, whatever it holds.

    >>> print(quote_identifier('odd "name"; --'))
    "odd ""name""; --"
    """
    if "\0" in name:
        raise UsageError("an identifier cannot hold a NUL byte", "check the table and column names")
    return '"' + name.replace('"', '""') + '"'


@dataclass(frozen=True)
class TableName:
    """A table, with its schema where one is given (else the server's search_path finds it)."""

    name: str
    schema: str | None = None

    @classmethod
    def parse(cls, text: str) -> TableName:
        """`table`, `schema.table`, or either part in double quotes when it holds a dot.

        >>> TableName.parse('power."odd.name"')
        TableName(name='odd.name', schema='power')
        """
        if not re.fullmatch(r'("([^"]|"")+"|[^".]+)(\.("([^"]|"")+"|[^".]+))?', text):
            raise UsageError(f"{text!r} is not a table name", "write table or schema.table")
        parts = [
            p[1:-1].replace('""', '"') if p.startswith('"') else p for p in re.findall(r'"(?:[^"]|"")+"|[^".]+', text)
        ]
        return cls(parts[-1], parts[0] if len(parts) > 1 else None)

    @property
    def quoted(self) -> str:
        """The name as SQL."""
        return ".".join(quote_identifier(part) for part in (self.schema, self.name) if part is not None)

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}" if self.schema else self.name


@dataclass(frozen=True)
class Table:
    """A table and what its columns are called there: `columns` maps our names to the table's."""

    name: TableName
    columns: tuple[tuple[str, str], ...]

    @classmethod
    def parse(cls, name: str, columns: tuple[str, ...], renames: str) -> Table:
        """A table whose columns are called as in the contract, but for `ours=theirs,...`."""
        mapping = dict.fromkeys(columns)
        for pair in filter(None, (p.strip() for p in renames.split(","))):
            ours, _, theirs = pair.partition("=")
            if ours not in mapping or not theirs:
                raise UsageError(
                    f"{pair!r} does not rename a column of {name}",
                    f"write ours=theirs; ours is one of {', '.join(columns)}",
                )
            mapping[ours] = theirs
        return cls(TableName.parse(name), tuple((ours, theirs or ours) for ours, theirs in mapping.items()))

    def column(self, ours: str) -> str:
        """The table's own name for one of our columns, as SQL."""
        return quote_identifier(dict(self.columns)[ours])

    @property
    def relation(self) -> str:
        """SQL that reads the table under our column names (a plain subquery, which the planner flattens)."""
        return f"(select {self._columns} from {self.name.quoted})"

    @property
    def stored_rows(self) -> str:
        """Like `relation`, with what tells one stored row from another: `tableoid`, `ctid` and `xmin`."""
        return f"(select tableoid, ctid, xmin, {self._columns} from {self.name.quoted})"

    @property
    def _columns(self) -> str:
        return ", ".join(f"{quote_identifier(theirs)} as {ours}" for ours, theirs in self.columns)


DEFAULT_CURTAILMENT = Table.parse("curtailment_records", CURTAILMENT_COLUMNS, "")
DEFAULT_CALCULATIONS = Table.parse("historical_bitcoin_calculations", CALCULATION_COLUMNS, "")
