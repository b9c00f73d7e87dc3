-- The rows of run $1 and date $2 that can be put back: what was done to them, each whole as the text of a row of the
-- table $3 (an oid), and the values it had. One that was replaced is found by the row that was left in its place, if
-- that is still as it was then (but for columns added since); `row_id` is null where it is not.
with kept as (
    select q.*, row_number() over (partition by q.row_after order by q.id) as n
    from recon.quarantine q
    where q.run_id = $1::text and q.restored_by is null and {day} = $2::date
), found as (
    select k.id, concat_ws('/', t.tableoid, t.ctid, t.xmin) as row_id,
        row_number() over (partition by k.id order by concat_ws('/', t.tableoid, t.ctid, t.xmin)) as n
    from kept k
    join {table} t on t.{settlement_period} = k.settlement_period and t.{farm_id} = k.farm_id
        and t.{miner_model} = k.miner_model
    where k.action = 'replace' and t.{settlement_date} = $2::date and {whole} @> k.row_after
)
select k.id, coalesce(k.action, 'old') as action, found.row_id,
    k.whole_row ->> $4::text as btc, k.whole_row ->> $5::text as difficulty,
    case when k.row_types is null then jsonb_populate_record(null::{table}, k.whole_row)::text else (
        select '(' || string_agg(coalesce(
            '"' || replace(replace(k.whole_row ->> a.attname, chr(92), repeat(chr(92), 2)), '"', '""') || '"', ''),
            ',' order by a.attnum) || ')'
        from pg_attribute a
        where a.attrelid = $3::int8::oid and a.attnum > 0 and not a.attisdropped
    ) end as kept,
    (select jsonb_agg(key order by key) from jsonb_object_keys(k.whole_row) key)::text as columns
from kept k
left join found on found.id = k.id and found.n = k.n
order by k.id
