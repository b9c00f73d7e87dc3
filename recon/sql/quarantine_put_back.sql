-- Puts the rows of run $1 and date $3 back whole, ids included, and notes that run $2 did so.
with back as (
    update recon.quarantine set restored_by = $2::text
    where run_id = $1::text and restored_by is null and settlement_date = $3::date and table_name = $4::text
    returning whole_row
), rows as (
    insert into {table} ({columns}) overriding system value
    select {columns} from back, jsonb_populate_record(null::{table}, back.whole_row)
    returning 1
)
select count(*) as restored from rows
