-- recon's ledger: which run did what. Created by 'recon init', or by the first run that has something to write.
create schema if not exists recon;
create table if not exists recon.ledger_version (
    version integer not null
);
insert into recon.ledger_version (version)
    select 1 where not exists (select from recon.ledger_version);
create table if not exists recon.runs (
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
create table if not exists recon.run_dates (
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
create table if not exists recon.quarantine (
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
create index if not exists quarantine_run_id on recon.quarantine (run_id);
create table if not exists recon.leases (
    name text primary key,
    holder text not null,
    expires_at timestamptz not null
);
