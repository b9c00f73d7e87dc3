-- The INVALID indexes of table $1 (an oid): names, whether one is unique over exactly the columns $2, and whether
-- somebody is building it right now. Of a partitioned table's, those of its partitions count.
select i.indexrelid::regclass::text as name,
    i.indisunique and i.indexprs is null and i.indpred is null
    and (select array_agg(a.attname::text order by a.attname::text) from pg_attribute a
         where a.attrelid = i.indrelid and a.attnum = any (i.indkey[0:i.indnkeyatts - 1]))
        = (select array_agg(name order by name) from unnest($2::text[]) name) as is_ours,
    exists (select from pg_stat_progress_create_index p where p.index_relid = i.indexrelid) as is_being_built
from pg_index i
join pg_class c on c.oid = i.indexrelid and c.relkind = 'i'
where not i.indisvalid
  and (i.indrelid = $1::int8::oid or i.indrelid in (select relid from pg_partition_tree($1::int8::oid::regclass)))
order by 1
