"""The two tables as they are on this server, and the SQL expressions that follow from it."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import polars as pl

from recon.core.names import Table
from recon.core.schema import BTC, CALC_KEY
from recon.core.window import clock_changes
from recon.postgres.sql import date_list, sql

FLOATS = ("float8", "float4")
WHOLES: dict[str, Any] = {"int2": pl.Int16, "int4": pl.Int32, "int8": pl.Int64}
ROW_ID = "concat_ws('/', tableoid, ctid, xmin)"
"""What names a stored row to the server."""
CLOCK_CHANGES = clock_changes(2000, 2099)
WEIGHTS = 2**30 - 1
"""The bits of a key's hash that weigh its values: two rows that exchange theirs go unseen once in 2^30 times, and the
sums of a chunk stay within 128 bits."""


@dataclass(frozen=True)
class Column:
    """One column of a user's table: its type by PostgreSQL's name, and decimals and digits of a constrained numeric."""

    base_type: str
    decimals: int | None = None
    digits: int | None = None

    @property
    def is_float(self) -> bool:
        """Whether it holds binary floating point instead of numeric."""
        return self.base_type in FLOATS

    def exact(self, name: str) -> str:
        """SQL for the column's value as numeric, digit by digit (a plain cast of float8 keeps only 15 digits)."""
        return f"{name}::text::numeric" if self.is_float else name


@dataclass(frozen=True)
class Layout:
    """The two tables as they are on this server; `parts` fills the `.sql` files in."""

    curtailment: Table
    calculations: Table
    source_columns: dict[str, Column]
    stored_columns: dict[str, Column]
    calculations_oid: int
    partitioned: bool
    unique_index: bool
    price_columns: tuple[str, ...] = ()
    curtailment_oid: int = 0
    is_table: bool = True
    """Whether the calculations are rows on disk: a view's have nothing that tells them apart but their order."""
    has_heirs: bool = False
    """Whether other tables inherit from the calculations, whose rows count while no index of the parent covers them."""
    source_versions: bool = False
    stored_versions: bool = False
    """Whether each row of the table has a version that says when it was written: on disk, as PostgreSQL itself stores
    rows."""
    seed: int = field(default_factory=lambda: secrets.randbits(62), repr=False)
    """Of the hashes by which keys are told: drawn anew by every command, so that nobody can prepare keys that share
    one; the workers of a run share it."""

    @cached_property
    def parts(self) -> dict[str, str]:
        """Relations and expressions by the names the SQL files use."""
        long_days = [day for day, periods in CLOCK_CHANGES.items() if periods > 48]
        short_days = [day for day, periods in CLOCK_CHANGES.items() if periods < 48]
        values = {
            "btc": self.stored_columns["bitcoin_mined"].exact("bitcoin_mined"),
            "difficulty": self.stored_columns["difficulty"].exact("difficulty"),
        }
        volume = self.source_columns["volume"].exact("volume")
        return {
            "source": self.curtailment.relation,
            "stored": self.calculations.relation,
            "stored_rows": self.calculations.stored_rows if self.is_table else self.calculations.relation,
            "source_versions": self.curtailment.stored_rows if self.source_versions else self.curtailment.relation,
            "stored_versions": self.calculations.stored_rows if self.stored_versions else self.calculations.relation,
            # The fence would have a foreign server send its rows, where it can send what they come to.
            "dates_first": "order by settlement_date offset 0" if self.source_versions else "",
            "row_id": ROW_ID if self.is_table else "(row_number() over ())::text",
            "volume": volume,
            **values,
            "energy_mwh": sql("postgres/as_float", value=f"sum(abs({volume}))"),
            "volume_float": sql("postgres/as_float", value=volume),
            "btc_float": sql("postgres/as_float", value="bitcoin_mined"),
            "difficulty_float": sql("postgres/as_float", value="difficulty"),
            "priceable": sql("postgres/priceable", long_days=date_list(long_days), short_days=date_list(short_days)),
            "key_hash": f"hashtextextended(farm_id::text, settlement_period::int8 # {self.seed}::int8)",
            "value_hash": self._value_hash,
            "weights": str(WEIGHTS),
            "period": "case when settlement_period between -2147483648 and 2147483647 then settlement_period::int4 end",
        }

    @property
    def _value_hash(self) -> str:
        """SQL for the hash of a calculation's miner model and values, seeded by its key's hash (0 where a key is none);
        where one of them is null, that of the others.
        """
        hashed = "coalesce(hashtextextended(miner_model, coalesce(key_hash, 0)), coalesce(key_hash, 0))"
        for name in ("bitcoin_mined", "difficulty"):
            function = "hashfloat8extended" if self.stored_columns[name].is_float else "hash_numeric_extended"
            hashed = f"coalesce({function}({name}, {hashed}), {hashed})"
        return hashed

    @cached_property
    def raw_columns(self) -> dict[str, str]:
        """The calculations table and its own column names, for statements that change it."""
        names = {ours: self.calculations.column(ours) for ours, _ in self.calculations.columns}
        return {"table": self.calculations.name.quoted, **names}

    @property
    def key_columns(self) -> set[str]:
        """What the calculations table calls the columns of a CALC_KEY."""
        return {theirs for ours, theirs in self.calculations.columns if ours in CALC_KEY}

    @property
    def index_statement(self) -> str:
        """The statement that creates the unique index; concurrently unless the table is partitioned."""
        columns = ", ".join(self.calculations.column(name) for name in CALC_KEY)
        how = "" if self.partitioned else "concurrently "
        return f"create unique index {how}on {self.calculations.name.quoted} ({columns})"

    @property
    def lock_space(self) -> int:
        """The first half of our advisory locks: the calculations table, as a signed 32-bit number."""
        return (self.calculations_oid ^ 0x5EC04) % 2**32 - 2**31

    def as_stored(self, rows: pl.DataFrame, difficulty_decimals: int) -> pl.DataFrame:
        """The calculations with the table's own column names and types: binary COPY never casts."""
        columns = self.stored_columns
        types: dict[str, Any] = {
            "settlement_date": pl.Date,
            "settlement_period": WHOLES[columns["settlement_period"].base_type],
            "farm_id": pl.String,
            "miner_model": pl.String,
            "bitcoin_mined": pl.Float64 if columns["bitcoin_mined"].is_float else BTC,
            "difficulty": pl.Float64 if columns["difficulty"].is_float else pl.Decimal(38, difficulty_decimals),
        }
        names = dict(self.calculations.columns)
        return rows.select(pl.col(ours).cast(dtype).alias(names[ours]) for ours, dtype in types.items())
