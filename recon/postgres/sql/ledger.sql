-- recon's ledger: which run did what. Created by 'recon init', or by the first run that has something to write.
-- These statements make a new one, and bring one of an older version up to date; either may be run again.
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
-- Version 2: rows are kept in a form that comes back equal, of whichever table; rows without a key can be kept; what a
-- run changes is counted and bounded; one nightly run at a time.
alter table recon.runs add column if not exists changed bigint not null default 0;
alter table recon.runs add column if not exists max_changes bigint;
alter table recon.quarantine add column if not exists action text;
alter table recon.quarantine add column if not exists row_id text;
alter table recon.quarantine add column if not exists table_id text;
alter table recon.quarantine add column if not exists row_types jsonb;
alter table recon.quarantine add column if not exists row_after jsonb;
alter table recon.quarantine alter column settlement_date drop not null;
alter table recon.quarantine alter column settlement_period drop not null;
alter table recon.quarantine alter column farm_id drop not null;
alter table recon.quarantine alter column miner_model drop not null;
create index if not exists quarantine_row on recon.quarantine (run_id, row_id);
create table if not exists recon.leases (
    name text primary key,
    holder text not null,
    expires_at timestamptz not null
);
drop table if exists recon.fingerprints;
-- Whoever may write the ledger may write what was added to it.
do $$ declare given record; begin
    for given in
        select distinct a.grantee, a.privilege_type
        from pg_catalog.pg_class c, pg_catalog.aclexplode(c.relacl) a
        where c.oid = 'recon.runs'::pg_catalog.regclass and a.grantee <> c.relowner
            and a.privilege_type in ('SELECT', 'INSERT', 'UPDATE', 'DELETE')
    loop execute pg_catalog.format('grant %s on recon.leases to %s', given.privilege_type,
        case given.grantee when 0 then 'public' else given.grantee::pg_catalog.regrole::text end); end loop; end $$;
update recon.ledger_version set version = 2 where version < 2;
