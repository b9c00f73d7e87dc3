"""One server that is everything which the tests' own is not, and a client that has next to nothing.

PostgreSQL 15 in LATIN1 and German; a role named `recon` with the guide's grants and no more; an empty schema first on
its search_path, the ledger's schema in use for other things; tables in a schema that has to be quoted, with renamed
columns, with others that are called as aliases are, with an audit trigger that catches exceptions and with payouts that
refer to them; PgBouncer in transaction mode in front; no home, no variables, and a directory in which nothing can be
written.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from itertools import count
from pathlib import Path

from tests.support import oracle
from tests.support.builders import days
from tests.support.databases import CURTAILMENT, TABLE, TABLES, Database
from tests.support.forked import REPOSITORY
from tests.support.locales import german_locales
from tests.support.oracle import Calculation, Source
from tests.support.poolers import PgBouncer, start_bouncer
from tests.support.roles import REPAIRER, WRITER, grant
from tests.support.servers import CONFIGURATION, Server, debian_programs, embedded_programs, start_server

LOCALES = ("UTF-8", "ISO-8859-1")
SCHEMA = '"Strom-Börse"'
COLUMNS = "settlement_period=sp,farm_id=bmu"
FARMS = ("T_GRÜN-1", "E_GRÖßE'-2")
BEYOND = date(2026, 7, 1)
"""A date whose difficulty is not packaged."""
NEWER_DIFFICULTY = 125 * 10**12
"""That of the epoch from 2026-06-24, as `later_epochs` has it."""
DATES = [*days(date(2024, 4, 20), 6), BEYOND]
EXTRA = """
    add column t text default 'für alle',
    add column s jsonb default '{"s": null}',
    add column c integer[] default '[0:1]={7,8}',
    add column v bytea default '\\x00ff',
    add column q numeric default -0.10
"""
_numbers = count(1)
AUDITED = f"""
create function audited() returns trigger language plpgsql security definer set search_path = {SCHEMA} as $$
begin
    begin
        insert into audit values (tg_op, coalesce(new.id, old.id));
    exception when others then
        raise warning 'nicht notiert';
    end;
    return coalesce(new, old);
end $$"""
SET_UP = f"""
create schema leer;
create schema recon;
create table recon.notizen (t text);
create schema {SCHEMA};
set search_path = {SCHEMA};
{TABLES}
alter table {CURTAILMENT} {EXTRA};
alter table {TABLE} {EXTRA};
alter table {TABLE} rename column settlement_period to sp;
alter table {TABLE} rename column farm_id to bmu;
create table payouts (id serial primary key, calc_id integer not null references {TABLE} (id) on_delete_action);
create table audit (what text, calc_id integer);
audited;
create trigger audit before insert or update or delete on {TABLE} for each row execute function audited();
create schema seen;
create view seen.{CURTAILMENT} as select * from {CURTAILMENT};
create view seen.{TABLE} as select id, settlement_date, sp as settlement_period, bmu as farm_id, miner_model,
    bitcoin_mined, difficulty, calculated_at from {TABLE};
grant usage on schema {SCHEMA} to recon;
alter role recon set search_path = leer, recon, {SCHEMA};
alter database database_name set search_path = leer, {SCHEMA}
"""


@dataclass(frozen=True)
class Place:
    """The server, with the German locales that could be had, by encoding."""

    server: Server
    german: dict[str, str]

    def lacks(self) -> list[str]:
        """What of all this could not be had here."""
        lacks = [] if self.server.version == 15 else [f"PostgreSQL {self.server.version} instead of 15"]
        return lacks + [f"no German in {name}" for name in LOCALES if name not in self.german]

    def make_database(self, name: str) -> Database:
        """An empty database in LATIN1, sorted as Germans do where that is known."""
        german = self.german.get("ISO-8859-1", "C")
        self.server.execute(f"create database {name} encoding 'LATIN1' locale '{german}' template template0")
        as_text = "client_encoding=UTF8"  # the driver of the tests takes what it gets for UTF-8
        return Database(self.server, name, f"{self.server.role_url('postgres', database=name)}?{as_text}")


@contextmanager
def awkward_server() -> Iterator[Place]:
    """PostgreSQL 15, or what is nearest to it, with a role `recon`."""
    with german_locales(*LOCALES) as german:
        speaks = f"\nlc_messages = '{german['UTF-8']}'\n" if german else ""
        server = start_server(_programs(), CONFIGURATION + speaks)
        try:
            server.create_role("recon", "pw")
            yield Place(server, german)
        finally:
            server.close()


def _programs() -> Path:
    older = embedded_programs().parents[1] / "pginstall" / "bin"  # beside the wheel's newest, where it has two
    return debian_programs() or (older if (older / "postgres").exists() else embedded_programs())


@dataclass
class Awkward:
    """A database of that server, and how its client reaches it. `database` is the superuser's, and sees the two tables
    by the names that the oracle knows."""

    database: Database
    pooler: PgBouncer
    home: Path
    source: list[Source] = field(default_factory=list)

    def url(self, who: str) -> str:
        """`recon` or `admin` by way of the pooler, or with `directly` behind it without."""
        role = "postgres" if who.startswith("admin") else "recon"
        server = self.database.server
        if who.endswith("directly"):
            return server.role_url(role, None if role == "postgres" else "pw", self.database.name)
        return self.pooler.url(server.role_url(role, database=self.database.name))

    @property
    def variables(self) -> dict[str, str]:
        """All that the client has: the program, and where what belongs to its user is kept, as it has no home."""
        places = {"RECON_HOME": str(self.home), "XDG_CONFIG_HOME": str(self.home / "config")}
        return places | {"PYTHONPATH": str(REPOSITORY)}

    @property
    def directory(self) -> Path:
        """Where nothing can be written, not by root either where there is such a place."""
        proc = Path("/proc/self")
        if os.geteuid() == 0 and proc.is_dir():
            return Path("/proc")
        self.home.joinpath("read-only").mkdir(mode=0o555, exist_ok=True)
        return self.home / "read-only"

    def grant(self) -> None:
        """The guide's grants of one who writes and repairs, as far as the tables are there."""
        self.database.execute(f"set search_path = {SCHEMA}")
        grant(self.database, "recon", WRITER, REPAIRER)
        self.database.execute(f"set search_path = seen, {SCHEMA}")

    def add(self, day: date) -> None:
        """Curtailment of a date: two periods of two farms, the second with two rows."""
        rows = [
            (day, period, farm, f"-{Decimal(day.day * 10 + period + n) / 7:.14f}")
            for period in (1, 24)
            for n, farm in enumerate((*FARMS, FARMS[1]))
        ]
        self.database.add_curtailment(*rows)
        self.source += rows

    def right_rows(self) -> Counter[Calculation]:
        """Every row that the calculations should hold in the end."""
        packaged = [row for row in self.source if row[0] != BEYOND]
        newer = [
            (*key, model, oracle.satoshis(oracle.bitcoin(mwh, model, NEWER_DIFFICULTY, "3.125")), NEWER_DIFFICULTY)
            for key, mwh in oracle.energies(row for row in self.source if row[0] == BEYOND).items()
            for model in oracle.MINERS
        ]
        return Counter([*oracle.calculations(packaged), *((*row[:5], Decimal(row[5])) for row in newer)])

    def missing(self) -> int:
        """How many of them are not there; AssertionError where anything else is."""
        right, stored = self.right_rows(), Counter(oracle.stored(self.database))
        assert not stored - right
        return (right - stored).total()

    def everything(self) -> list[Counter[str]]:
        """Every row of the tables that are not recon's own, whole."""
        tables = (CURTAILMENT, TABLE, "payouts", "audit", "recon.notizen")
        return [self.database.whole_rows(f"{SCHEMA}.{name}" if "." not in name else name) for name in tables]


@contextmanager
def awkward_database(place: Place, home: Path, *, on_delete: str = "", size: int = 2) -> Iterator[Awkward]:
    """A database there with curtailment and without calculations or ledger, behind a pool of this size."""
    database = place.make_database(f"awkward_{next(_numbers)}")
    try:
        _set_up(database, on_delete)
        awkward = Awkward(database, start_bouncer(place.server, size, {"recon": "pw"}), home)
        try:
            for day in DATES:
                awkward.add(day)
            yield awkward
        finally:
            awkward.pooler.stop()  # a test may have put another one in its place
    finally:
        database.drop()


def _set_up(database: Database, on_delete: str) -> None:
    given = {"audited": AUDITED, "on_delete_action": on_delete, "database_name": database.name}
    for statement in filter(str.strip, SET_UP.split(";")):
        database.execute(re.sub(r"^audited$|on_delete_action|database_name", lambda m: given[m[0]], statement.strip()))
    database.execute(f"set search_path = seen, {SCHEMA}")
