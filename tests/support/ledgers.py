"""The ledger as an older version made it."""

from __future__ import annotations

from tests.support.databases import Database

VERSION_1 = """
create schema recon;
create table recon.ledger_version (version integer not null);
insert into recon.ledger_version (version) select 1;
create table recon.runs (
    run_id text primary key,
    command text not null,
    code_version text not null,
    status text not null,
    started_at timestamptz not null default now(),
    finished_at timestamptz,
    first_date date,
    last_date date,
    parameters jsonb not null
);
create table recon.run_dates (
    run_id text not null references recon.runs (run_id) on delete cascade,
    settlement_date date not null,
    position integer not null,
    status text not null,
    expected bigint not null,
    missing bigint not null,
    inserted bigint not null default 0,
    replaced bigint not null default 0,
    removed bigint not null default 0,
    attempts integer not null default 0,
    seconds double precision not null default 0,
    error text,
    btc jsonb not null default jsonb_build_object(),
    updated_at timestamptz not null default now(),
    primary key (run_id, settlement_date)
);
create table recon.quarantine (
    id bigint generated always as identity primary key,
    run_id text not null references recon.runs (run_id),
    quarantined_at timestamptz not null default now(),
    reason text not null,
    table_name text not null,
    settlement_date date not null,
    settlement_period bigint not null,
    farm_id text not null,
    miner_model text not null,
    whole_row jsonb not null,
    replacement jsonb,
    restored_by text references recon.runs (run_id)
);
create index quarantine_run_id on recon.quarantine (run_id);
create table recon.fingerprints (
    calculations text not null,
    settlement_date date not null,
    taken_at timestamptz not null,
    primary key (calculations, settlement_date)
)
"""
"""What version 0.1 of the ledger was, as far as anything still asks for it."""


def make_version_1(database: Database) -> None:
    """An empty ledger of version 1."""
    for statement in VERSION_1.split(";\n"):
        database.execute(statement)
