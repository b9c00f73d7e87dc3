-- Connections: allowed, reserved for superusers and the like, and in use (this one included).
select current_setting('max_connections')::int4 as allowed,
    current_setting('superuser_reserved_connections')::int4
        + coalesce(current_setting('reserved_connections', true), '0')::int4 as reserved,
    (select count(*) from pg_stat_activity where backend_type = 'client backend' or backend_type is null)::int4 as used
