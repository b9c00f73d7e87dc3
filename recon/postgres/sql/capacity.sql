-- Connections: allowed, reserved for superusers and the like, and in use (this one included; not others of the same
-- name: the command has just closed them, and the server has yet to clear them away).
select current_setting('max_connections')::int4 as allowed,
    current_setting('superuser_reserved_connections')::int4
        + coalesce(current_setting('reserved_connections', true), '0')::int4 as reserved,
    (select count(*) from pg_stat_activity
        where coalesce(backend_type, 'client backend') = 'client backend'
        and (pid = pg_backend_pid() or application_name is distinct from current_setting('application_name')))::int4 as used
