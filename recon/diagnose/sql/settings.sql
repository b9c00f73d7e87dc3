-- Settings that end or delay work: the value a new session of this role starts with, and where it comes from.
select s.name::text as name, s.reset_val::text as value, coalesce(s.unit, '')::text as unit,
    quote_ident(current_user)::text as role_name,
    coalesce((
        select case when r.setrole <> 0 then 'role ' || quote_ident(current_user) else 'database ' || current_database() end
        from pg_db_role_setting r
        where r.setrole in (0, (select oid from pg_roles where rolname = current_user))
          and r.setdatabase in (0, (select oid from pg_database where datname = current_database()))
          and exists (select from unnest(r.setconfig) c where c like s.name || '=%')
        order by r.setrole <> 0 desc limit 1), 'server')::text as level
from pg_settings s
where s.name in ('statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout', 'idle_session_timeout', 'transaction_timeout',
    'tcp_keepalives_idle', 'tcp_keepalives_interval', 'tcp_keepalives_count')
order by s.name
