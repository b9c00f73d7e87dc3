-- The rows taken out of the table, in the order of keys; of run $1, or of all runs. `action` is null of an older version.
select id, run_id, quarantined_at::text as quarantined_at, reason, to_jsonb(q) ->> 'action' as action, table_name,
    settlement_date::text as settlement_date, settlement_period, farm_id, miner_model, whole_row::text as whole_row,
    whole_row ->> $2::text as old_btc, whole_row ->> $3::text as old_difficulty,
    replacement::text as replacement, restored_by
from recon.quarantine q
where $1::text is null or run_id = $1::text
order by settlement_date, settlement_period, farm_id, miner_model, id
