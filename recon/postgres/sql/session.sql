-- What the caller's sessions are set to without us: as it is now, as RESET would make it, and where it comes from.
-- It runs before the search_path is pinned.
select s.name::pg_catalog.text as name, s.setting::pg_catalog.text as setting, s.reset_val::pg_catalog.text as reset_val,
    s.source::pg_catalog.text as source
from pg_catalog.pg_settings s
where s.name::pg_catalog.text operator(pg_catalog.=) any ('{{search_path,row_security,application_name,statement_timeout,lock_timeout,idle_in_transaction_session_timeout}}'::pg_catalog.text[])
