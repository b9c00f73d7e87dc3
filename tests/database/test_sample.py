"""The sample on a real server: its numbers counted again by SQL, and tables that are never overwritten."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from recon.core.errors import DataFileError, UsageError
from recon.core.names import CALCULATION_COLUMNS, CURTAILMENT_COLUMNS, Table
from recon.core.settings import Settings
from recon.postgres.session import connect
from recon.reference.reference import load as load_reference
from recon.sample import files, generate, load
from tests.support.databases import Database

COUNT = """
with keys as (select distinct settlement_date, settlement_period, farm_id from public.curtailment_records),
expected as (select * from keys, unnest(array['S19J_PRO', 'S9', 'M20S']) as miner_model),
stored as (
    select settlement_date, settlement_period, farm_id, miner_model, count(*) as rows
    from public.historical_bitcoin_calculations group by 1, 2, 3, 4
)
select
    (select count(*) from public.curtailment_records) as curtailment_rows,
    (select count(*) from public.historical_bitcoin_calculations) as calculation_rows,
    (select count(*) from keys) as keys,
    count(e.farm_id) as expected,
    count(e.farm_id) filter (where s.rows > 0) as matched,
    count(e.farm_id) filter (where s.rows is null) as missing,
    coalesce(sum(s.rows - 1) filter (where e.farm_id is not null), 0)::int8 as duplicate,
    coalesce(sum(s.rows) filter (where e.farm_id is null), 0)::int8 as orphan
from expected e
full join stored s using (settlement_date, settlement_period, farm_id, miner_model)
"""

ZERO_AND_STALE = """
select
    count(*) filter (where bitcoin_mined = 0 and energy > 0) as zero_bitcoin,
    count(*) filter (where difficulty = 108105433845147) as stale_difficulty
from public.historical_bitcoin_calculations
join (
    select settlement_date, settlement_period, farm_id, sum(abs(volume)) as energy
    from public.curtailment_records group by 1, 2, 3
) keys using (settlement_date, settlement_period, farm_id)
"""


def test_the_manifest_agrees_with_a_count_in_sql(settings: Settings) -> None:
    manifest = load.load(settings, load.packaged(), name="test")
    with connect(settings) as session:
        counted = session.rows(COUNT)[0]
        faults = session.rows(ZERO_AND_STALE)[0]
    assert counted == {name: manifest[name] for name in counted}
    assert faults == {name: manifest["wrong_by_kind"][name] for name in faults}


def test_rows_are_stored_as_they_are_written_in_real_tables(settings: Settings) -> None:
    load.load(settings, load.packaged(), name="test")
    records, calculations, _ = files.read(load.packaged())
    with connect(settings) as session:
        stored = session.frame(
            "select id, volume::text as volume, payment::text as payment from public.curtailment_records order by id"
        )
        bitcoin = session.frame(
            "select bitcoin_mined::text as b, difficulty::text as d"
            " from public.historical_bitcoin_calculations order by id"
        )
        columns = session.rows(
            "select table_name::text as t, string_agg(column_name || ' ' || data_type, ', ' order by ordinal_position)"
            " as c from information_schema.columns where table_schema = 'public' group by 1"
        )
        indexes = session.rows("select indexdef as definition from pg_indexes where schemaname = 'public'")
    assert stored.get_column("id").to_list() == list(range(1, records.height + 1))
    assert stored.get_column("volume").to_list() == [f"{v.normalize():f}" for v in records.get_column("volume")]
    assert stored.get_column("volume").str.contains(r"^-\d\d\.\d{12}67$").any()
    assert bitcoin.get_column("b").cast(pl.Decimal(38, 8)).equals(calculations.get_column("bitcoin_mined"))
    assert bitcoin.get_column("d").str.contains(r"^\d{14,15}$").all()
    assert {row["t"]: row["c"] for row in columns} == {
        "curtailment_records": "id integer, settlement_date date, settlement_period integer, farm_id text, "
        "lead_party_name text, volume numeric, payment numeric, original_price numeric, final_price numeric, "
        "so_flag boolean, cadl_flag boolean, created_at timestamp without time zone",
        "historical_bitcoin_calculations": "id integer, settlement_date date, settlement_period integer, farm_id text, "
        "miner_model text, bitcoin_mined numeric, difficulty numeric, calculated_at timestamp without time zone",
    }
    definitions = [row["definition"] for row in indexes]
    assert sum("(settlement_date)" in definition for definition in definitions) == 2
    assert all("(id)" in definition for definition in definitions if "UNIQUE" in definition)


def test_a_table_with_rows_is_never_touched(settings: Settings, small: Path) -> None:
    with connect(settings) as session:
        session.execute("create table public.curtailment_records (mine text)")
        session.execute("insert into public.curtailment_records values ('precious')")
    with pytest.raises(UsageError, match="curtailment_records already holds rows"):
        load.load(settings, small, name="test")
    assert not load.ensure(settings, small, name="test")
    with connect(settings) as session:
        assert session.rows("select mine from public.curtailment_records") == [{"mine": "precious"}]
        assert session.rows("select to_regclass('public.historical_bitcoin_calculations') is null as absent") == [
            {"absent": True}
        ]


def test_ensure_loads_once(settings: Settings, small: Path) -> None:
    assert load.ensure(settings, small, name="test")
    assert not load.ensure(settings, small, name="test")
    with connect(settings) as session:
        rows = session.rows("select count(*) as n from public.curtailment_records")[0]["n"]
    assert rows == files.read_manifest(small)["curtailment_rows"]


def test_empty_tables_of_other_shapes_are_filled(settings: Settings, small: Path) -> None:
    with connect(settings) as session:
        session.execute("create schema power")
        session.execute(
            "create table power.records (day date not null, settlement_period smallint, farm_id varchar(40),"
            " lead_party_name text, volume float8, payment float8, original_price float8, final_price float8,"
            " so_flag boolean, cadl_flag boolean, created_at timestamptz) partition by range (day)"
        )
        session.execute("create table power.all_of_them partition of power.records default")
    moved = Settings(
        database_url=settings.database_url,
        curtailment=Table.parse("power.records", CURTAILMENT_COLUMNS, "settlement_date=day"),
        calculations=Table.parse("power.btc", CALCULATION_COLUMNS, "difficulty=hardness"),
    )
    manifest = load.load(moved, small, name="test")
    with connect(moved) as session:
        found = session.rows("select count(*) as n, min(day) as day from power.records")[0]
        calculations = session.rows("select count(*) as n, count(hardness) as with_difficulty from power.btc")[0]
    assert found == {"n": manifest["curtailment_rows"], "day": date(2022, 1, 1)}
    assert set(calculations.values()) == {manifest["calculation_rows"]}


def test_a_damaged_sample_leaves_no_trace(settings: Settings, small: Path) -> None:
    (small / files.CALCULATIONS_FILE).write_bytes(b"PAR1 no more")
    with pytest.raises(DataFileError):
        load.load(settings, small, name="test")
    with connect(settings) as session:
        assert session.rows("select to_regclass('public.curtailment_records') is null as absent") == [{"absent": True}]


@pytest.fixture
def settings(empty_database: Database) -> Settings:
    """A database without the two tables."""
    return empty_database.settings


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A sample of three days."""
    reference = load_reference(None, None, None, tmp_path / "none")
    generate.write(tmp_path / "small", first=date(2022, 1, 1), days=3, seed=3, reference=reference)
    return tmp_path / "small"
