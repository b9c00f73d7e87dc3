-- How many rows run $1 of an older version put in place of those of date $2.
select count(distinct (settlement_period, farm_id, miner_model)) as rows
from recon.quarantine
where run_id = $1::text and restored_by is null and row_types is null and replacement is not null
    and settlement_date = $2::date
