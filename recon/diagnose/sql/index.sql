-- Whether table $1 (an oid) has a valid index that begins with column $2, and what kind of relation it is.
select exists (
    select from pg_index i
    join pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
    where i.indrelid = $1::int8::oid and i.indisvalid and i.indpred is null and a.attname = $2::text
) as found,
    (select c.relkind::text from pg_class c where c.oid = $1::int8::oid) as kind
