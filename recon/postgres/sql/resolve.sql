-- resolve
-- The tables $1 and $2 (SQL names) as the search_path finds them that is set: oid and schema, null where there is none;
-- and in which schema a new table would be. It runs as the user: nothing in it may be found by the user's path.
select t.oid::pg_catalog.int8 as oid, n.nspname::pg_catalog.text as schema_name,
    pg_catalog.current_setting('search_path') as search_path, pg_catalog.current_schema()::pg_catalog.text as new_in
from (values (1, pg_catalog.to_regclass($1::pg_catalog.text)::pg_catalog.oid),
    (2, pg_catalog.to_regclass($2::pg_catalog.text)::pg_catalog.oid)) t (place, oid)
left join pg_catalog.pg_class c on c.oid operator(pg_catalog.=) t.oid
left join pg_catalog.pg_namespace n on n.oid operator(pg_catalog.=) c.relnamespace
order by t.place using operator(pg_catalog.<)
