-- What keeps rows from being written to table $1 (an oid) as they are given: `kind` and `name`, and `columns` where it
-- is about some.
select 'generated' as kind, a.attname::text as name, array[a.attname::text] as columns
from pg_attribute a
where a.attrelid = $1::int8::oid and a.attnum > 0 and not a.attisdropped and a.attgenerated <> ''
union all
select case r.ev_type when '3' then 'insert rule' else 'change rule' end, r.rulename::text, array[]::text[]
from pg_rewrite r
where r.ev_class = $1::int8::oid and r.is_instead and r.ev_type in ('2', '3', '4') and r.ev_enabled in ('O', 'A')
union all
select 'unique index', i.indexrelid::regclass::text, (
    select array_agg(a.attname::text order by a.attname::text) from pg_attribute a
    where a.attrelid = i.indrelid and a.attnum = any (i.indkey[0:i.indnkeyatts - 1]))
from pg_index i
where i.indrelid = $1::int8::oid and i.indisunique and i.indisready and i.indpred is null and i.indexprs is null
union all
select 'short', a.attname::text, array[(case when t.typtype = 'd' then t.typtypmod else a.atttypmod end - 4)::text]
from pg_attribute a
join pg_type t on t.oid = a.atttypid
left join pg_type base on t.typtype = 'd' and base.oid = t.typbasetype
where a.attrelid = $1::int8::oid and a.attnum > 0 and not a.attisdropped
  and coalesce(base.typname, t.typname) = 'varchar' and case when t.typtype = 'd' then t.typtypmod else a.atttypmod end > 4
order by kind, name
