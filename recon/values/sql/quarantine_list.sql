-- The rows taken out of the table, in the order of keys; of run $1, or of all runs.
select id, run_id, quarantined_at::text as quarantined_at, reason, table_name, settlement_date::text as settlement_date, settlement_period,
    farm_id, miner_model, whole_row::text as whole_row, replacement::text as replacement, restored_by
from recon.quarantine
where $1::text is null or run_id = $1::text
order by settlement_date, settlement_period, farm_id, miner_model, id
