-- What others would lose if rows of table $1 (an oid) were removed: rows or values that a foreign key takes along, what
-- a rule does, columns of tables that inherit from it.
with family as (
    select $1::int8::oid as oid
    union select relid::oid from pg_partition_tree($1::int8::oid::regclass)
    union select relid::oid from pg_partition_ancestors($1::int8::oid::regclass)
)
select format('foreign key %I of %I.%I (on delete %s)', k.conname, n.nspname, c.relname,
    case k.confdeltype when 'c' then 'cascade' when 'n' then 'set null' else 'set default' end) as danger
from pg_constraint k
join pg_class c on c.oid = k.conrelid
join pg_namespace n on n.oid = c.relnamespace
where k.contype = 'f' and k.conparentid = 0 and k.confdeltype in ('c', 'n', 'd')
    and k.confrelid in (select oid from family)
union all
select format('rule %I (on delete)', r.rulename)
from pg_rewrite r
where r.ev_type = '4' and r.ev_class in (select oid from family)
union all
select format('table %I.%I, which inherits from it', n.nspname, c.relname)
from pg_inherits i
join pg_class c on c.oid = i.inhrelid and not c.relispartition
join pg_namespace n on n.oid = c.relnamespace
where i.inhparent in (select oid from family)
order by danger
