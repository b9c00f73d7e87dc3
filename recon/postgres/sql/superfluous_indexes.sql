-- The indexes of table $1 (an oid) or of its partitions without which every query finds its rows as fast: another one
-- begins with the same columns, in the same order, by the same operators and collations. Of equal ones the newer.
-- None that is unique, partial, clustered, of expressions or INVALID, and none that belongs to a constraint or to the
-- index of a partitioned table, with which it goes. Per index its name, the other's, and whether it is partitioned.
with tree as (
    select $1::int8::oid as relid union select relid::oid from pg_partition_tree($1::int8::oid::regclass)
), indexes as (
    select i.*, c.relkind, format('%I.%I', n.nspname, c.relname) as name,
        not (i.indisunique or i.indisexclusion or i.indisclustered or i.indisreplident)
        and i.indexprs is null
        and not exists (select from pg_constraint k where k.conindid = i.indexrelid)
        and not exists (select from pg_inherits h where h.inhrelid = i.indexrelid) as is_free
    from pg_index i
    join pg_class c on c.oid = i.indexrelid
    join pg_namespace n on n.oid = c.relnamespace
    join pg_am m on m.oid = c.relam and m.amname = 'btree'
    where i.indrelid in (select relid from tree) and i.indisvalid and i.indisready and i.indislive and i.indpred is null
), covered as (
    select less.indexrelid, more.indexrelid as by_index,
        more.is_free and more.indnatts = less.indnatts and more.indnkeyatts = less.indnkeyatts as is_equal
    from indexes less
    join indexes more on more.indrelid = less.indrelid and more.indexrelid <> less.indexrelid
        and more.indnkeyatts >= less.indnkeyatts
        and more.indkey[0:less.indnkeyatts - 1] = less.indkey[0:less.indnkeyatts - 1]
        and more.indclass[0:less.indnkeyatts - 1] = less.indclass[0:less.indnkeyatts - 1]
        and more.indcollation[0:less.indnkeyatts - 1] = less.indcollation[0:less.indnkeyatts - 1]
        and more.indoption[0:less.indnkeyatts - 1] = less.indoption[0:less.indnkeyatts - 1]
        and less.indkey::int2[] <@ more.indkey::int2[]
    where less.is_free
), superfluous as (
    select * from covered where not is_equal or by_index < indexrelid
)
select distinct on (less.name) less.name, more.name as kept, less.relkind = 'I' as is_partitioned
from superfluous s
join indexes less on less.indexrelid = s.indexrelid
join indexes more on more.indexrelid = s.by_index
where s.by_index not in (select indexrelid from superfluous)
order by less.name, more.indisunique desc, more.indexrelid
