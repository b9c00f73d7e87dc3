-- Removes the stored rows $1 (as values.sql names them) for the reasons $2, and keeps each whole, in one statement.
with doomed as (
    delete from {table} t
    using unnest($1::text[], $2::text[]) as v (row_id, reason)
    where t.{settlement_date} = any ({dates})
      and t.ctid = split_part(v.row_id, '/', 2)::tid
      and t.tableoid = split_part(v.row_id, '/', 1)::oid
      and t.xmin::text = split_part(v.row_id, '/', 3)
    returning v.reason, to_jsonb(t) as whole_row, t.{settlement_date} as settlement_date,
        t.{settlement_period} as settlement_period, t.{farm_id} as farm_id, t.{miner_model} as miner_model
), kept as (
    insert into recon.quarantine
        (run_id, reason, table_name, settlement_date, settlement_period, farm_id, miner_model, whole_row)
    select $3::text, reason, $4::text, settlement_date, settlement_period, farm_id, miner_model, whole_row
    from doomed
    returning 1
)
select count(*) as removed from kept
