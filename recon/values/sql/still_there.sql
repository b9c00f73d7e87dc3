-- How many of the stored rows $1 are as they were ($2: where they are).
select count(*) as rows
from {table} t
where t.ctid = any ($2::text[]::tid[]) and concat_ws('/', t.tableoid, t.ctid, t.xmin) = any ($1::text[])
