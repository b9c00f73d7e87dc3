-- The tables $1 (oids) by their qualified names, and what they are told by within this very database.
select c.oid::int8 as oid, format('%I.%I', n.nspname, c.relname) as relation,
    concat_ws('/', d.oid, c.oid) as identity
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
join pg_database d on d.datname = current_database()
where c.oid = any ($1::int8[]::oid[])
