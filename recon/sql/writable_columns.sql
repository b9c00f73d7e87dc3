-- The columns of table $1 (an oid) that can be given a value, quoted, in order.
select string_agg(quote_ident(attname), ', ' order by attnum) as columns
from pg_attribute
where attrelid = $1::int8::oid and attnum > 0 and not attisdropped and attgenerated = ''
