-- Other sessions of this database that can be in the way: what they do, since when, and who waits for them.
select a.pid::int4 as pid, coalesce(a.usename, '')::text as role_name, coalesce(a.application_name, '')::text as program,
    coalesce(a.state, '')::text as state,
    extract(epoch from clock_timestamp() - a.query_start)::float8 as query_s,
    extract(epoch from clock_timestamp() - a.xact_start)::float8 as transaction_s,
    extract(epoch from clock_timestamp() - a.state_change)::float8 as state_s,
    array_to_string(pg_blocking_pids(a.pid), ', ') as blocked_by
from pg_stat_activity a
where a.datname = current_database() and a.pid <> pg_backend_pid() and coalesce(a.backend_type, 'client backend') = 'client backend'
  and a.application_name not like 'recon/diagnose%'
