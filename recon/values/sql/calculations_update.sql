-- Writes values ($2, $3) into the stored rows $1 where they are ($4; $5: their dates), and tells where they are then.
-- It runs under the user's own search_path: whatever is not the user's is named with its schema.
update {table} t
set {bitcoin_mined} = v.btc::pg_catalog.{btc_type}, {difficulty} = v.difficulty::pg_catalog.{difficulty_type}
from rows from (
    pg_catalog.unnest($1::pg_catalog.text[]),
    pg_catalog.unnest($2::pg_catalog.text[]),
    pg_catalog.unnest($3::pg_catalog.text[])
) as v (row_id, btc, difficulty)
where t.ctid operator(pg_catalog.=) any ($4::pg_catalog.text[]::pg_catalog.tid[])
    and ($5::pg_catalog.date[] is null or t.{settlement_date} operator(pg_catalog.=) any ($5::pg_catalog.date[]))
    and v.row_id operator(pg_catalog.=) pg_catalog.concat_ws('/', t.tableoid, t.ctid, t.xmin)
returning v.row_id as old_id, pg_catalog.concat_ws('/', t.tableoid, t.ctid) as new_id
