-- The columns of table $1 (an oid), in order, and which of them can be given a value, or must be.
select a.attname::text as name, format_type(a.atttypid, a.atttypmod) as type_name, a.attgenerated = '' as writable,
    a.attnotnull and not a.atthasdef and a.attidentity = '' as must_be_given
from pg_attribute a
where a.attrelid = $1::int8::oid and a.attnum > 0 and not a.attisdropped
order by a.attnum
