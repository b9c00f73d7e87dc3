-- Sessions that hold a lock on table $1 or $2 (oids) which keeps readers or writers out.
select l.pid::int4 as pid, coalesce(a.usename, '')::text as role_name, coalesce(a.application_name, '')::text as program,
    l.mode::text as mode, c.relname::text as table_name,
    extract(epoch from clock_timestamp() - a.xact_start)::float8 as transaction_s
from pg_locks l
join pg_stat_activity a on a.pid = l.pid
join pg_class c on c.oid = l.relation
where l.relation in ($1::int8::oid, $2::int8::oid) and l.granted and l.pid <> pg_backend_pid()
  and l.mode in ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
