-- Whether table $1 (an oid) has a valid, whole unique index over exactly the columns $2. An index does not cover the
-- tables that inherit.
select exists (
    select from pg_index i
    where i.indrelid = $1::int8::oid and i.indisunique and i.indisvalid and i.indpred is null and i.indexprs is null
      and not exists (
          select from pg_inherits h join pg_class c on c.oid = h.inhparent where c.oid = i.indrelid and c.relkind <> 'p')
      and (select array_agg(a.attname::text order by a.attname::text) from pg_attribute a
           where a.attrelid = i.indrelid and a.attnum = any(i.indkey[0:i.indnkeyatts - 1]))
        = (select array_agg(name order by name) from unnest($2::text[]) name)
) as found
