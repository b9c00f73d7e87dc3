"""A test's own database: the two tables, rows put in with only what matters, and what is in them afterwards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from itertools import count
from typing import Any

import adbc_driver_postgresql.dbapi as adbc

from recon.core.settings import Settings
from tests.support.servers import Server

CURTAILMENT, TABLE = "curtailment_records", "historical_bitcoin_calculations"
TABLES = """
create table curtailment_records (
    id serial primary key,
    settlement_date date not null,
    settlement_period integer not null,
    farm_id text not null,
    lead_party_name text,
    volume numeric not null,
    payment numeric not null,
    original_price numeric not null,
    final_price numeric not null,
    so_flag boolean,
    cadl_flag boolean,
    created_at timestamp default now()
);
create table historical_bitcoin_calculations (
    id serial primary key,
    settlement_date date not null,
    settlement_period integer not null,
    farm_id text not null,
    miner_model text not null,
    bitcoin_mined numeric not null,
    difficulty numeric not null,
    calculated_at timestamp default now()
);
"""
"""Exactly the tables of real installations."""
TEMPLATE = "with_tables"
COLUMNS = """
select quote_literal(attname) as key, quote_ident(attname) as name from pg_attribute
where attrelid = '{table}'::regclass and attnum > 0 and not attisdropped
"""
_numbers = count(1)


@dataclass
class Database:
    """One database. Statements run at once, each in its own transaction, as superuser."""

    server: Server
    name: str
    url: str
    _connection: Any = field(default=None, repr=False)

    @property
    def settings(self) -> Settings:
        """recon's settings for this database, all else as by default."""
        return Settings(database_url=self.url)

    def execute(self, statement: str) -> None:
        """One statement."""
        with self._cursor() as cursor:
            cursor.execute(statement)

    def rows(self, statement: str) -> list[tuple]:
        """What one statement returns; numeric comes as Decimal."""
        with self._cursor() as cursor:
            cursor.execute(statement)
            table = cursor.fetch_arrow_table()
        numeric = [getattr(kind, "type_name", "") == "numeric" for kind in table.schema.types]
        columns = [
            [None if value is None else Decimal(value) for value in column.to_pylist()] if exact else column.to_pylist()
            for column, exact in zip(table.columns, numeric, strict=True)
        ]
        return list(zip(*columns, strict=True)) if columns else []

    def scalar(self, statement: str) -> Any:
        """The one value that one statement returns."""
        ((value,),) = self.rows(statement)
        return value

    def count(self, table: str, where: str = "true") -> int:
        """How many rows of the table fulfil the condition."""
        return int(self.scalar(f"select count(*) from {table} where {where}"))

    def whole_rows(self, table: str = TABLE) -> Counter[str]:
        """Every stored row whole, ids, times and all: each column's text by its name, as the quarantine keeps it."""
        columns = self.rows(COLUMNS.format(table=table))
        keys = ", ".join(key for key, _ in columns)
        texts = ", ".join(f"case when num_nulls(w.{n}) = 0 then format('%s', w.{n}) end" for _, n in columns)
        with_texts = f"select jsonb_object(array[{keys}], array[{texts}])::text from {table} w"
        return Counter(text for (text,) in self.rows(with_texts))

    def quarantined(self) -> Counter[str]:
        """Every row that the quarantine keeps, as `whole_rows` has them."""
        return Counter(text for (text,) in self.rows("select whole_row::text from recon.quarantine"))

    def add_unique_index(self) -> None:
        """The unique index that many installations have, and many have not."""
        self.execute(
            "create unique index one_calculation on historical_bitcoin_calculations "
            "(settlement_date, settlement_period, farm_id, miner_model)"
        )

    def add_curtailment(self, *rows: tuple[date | str, int, str, Any]) -> None:
        """Source rows of (settlement date, period, farm, volume in MWh)."""
        values = ", ".join(f"({_literals(row)}, 0, 0, 0)" for row in rows)
        self.execute(
            "insert into curtailment_records (settlement_date, settlement_period, farm_id, volume, payment, "
            f"original_price, final_price) values {values}"
        )

    def add_calculations(self, *rows: tuple[date | str, int, str, str, Any, Any]) -> None:
        """Stored calculations of (settlement date, period, farm, miner model, BTC, difficulty)."""
        values = ", ".join(f"({_literals(row)})" for row in rows)
        self.execute(
            "insert into historical_bitcoin_calculations (settlement_date, settlement_period, farm_id, miner_model, "
            f"bitcoin_mined, difficulty) values {values}"
        )

    def _cursor(self) -> Any:
        if self._connection is None:
            self._connection = adbc.connect(self.url, autocommit=True)
        return self._connection.cursor()

    def disconnect(self) -> None:
        """Ends our own session, as before a restart of the server; the next statement opens a new one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def drop(self) -> None:
        """Deletes the database, whoever is in it."""
        self.disconnect()
        self.server.drop_database(self.name)


def make_template(server: Server) -> None:
    """The database that `new_database` copies."""
    template = Database(server, TEMPLATE, server.create_database(TEMPLATE))
    for statement in filter(str.strip, TABLES.split(";")):
        template.execute(statement)
    template.disconnect()


def new_database(server: Server, *, tables: bool = True) -> Database:
    """A database of its own, with the two tables or with nothing."""
    name = f"test_{next(_numbers)}"
    return Database(server, name, server.create_database(name, TEMPLATE if tables else None))


def _literals(values: Sequence[Any] | Iterable[Any]) -> str:
    """Values as SQL literals; numbers as they are written, so that no float comes between."""
    quoted = ("null" if v is None else "'" + str(v).replace("'", "''") + "'" for v in values)
    return ", ".join(quoted)
