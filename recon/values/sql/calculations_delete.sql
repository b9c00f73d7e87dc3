-- Removes the stored rows $1 where they are ($2; $3: their dates). Under the user's own search_path, as an update is.
delete from {table} t
where t.ctid operator(pg_catalog.=) any ($2::pg_catalog.text[]::pg_catalog.tid[])
    and ($3::pg_catalog.date[] is null or t.{settlement_date} operator(pg_catalog.=) any ($3::pg_catalog.date[]))
    and pg_catalog.concat_ws('/', t.tableoid, t.ctid, t.xmin) operator(pg_catalog.=) any ($1::pg_catalog.text[])
returning pg_catalog.concat_ws('/', t.tableoid, t.ctid, t.xmin) as row_id
