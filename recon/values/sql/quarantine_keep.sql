-- Keeps the stored rows $2 (as values.sql names them) whole before they are changed, for the reasons $3, and what is
-- done to them ($4): every column as the text that its type writes. $5: where they are. $6: their dates; null: any.
with kept as (
    insert into recon.quarantine (run_id, reason, action, row_id, table_name, table_id, row_types,
        settlement_date, settlement_period, farm_id, miner_model, whole_row)
    select $1::text, v.reason, v.action, v.row_id, $7::text, $8::text, $9::jsonb,
        t.{settlement_date}, t.{settlement_period}, t.{farm_id}, t.{miner_model}, {whole}
    from {table} t
    join unnest($2::text[], $3::text[], $4::text[]) as v (row_id, reason, action)
        on v.row_id = concat_ws('/', t.tableoid, t.ctid, t.xmin)
    where t.ctid = any ($5::text[]::tid[]) and ($6::date[] is null or t.{settlement_date} = any ($6::date[]))
    returning 1
)
select count(*) as rows from kept
