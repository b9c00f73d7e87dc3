-- One row per stored calculation of the given dates.
select settlement_date, settlement_period, farm_id::text as farm_id, miner_model::text as miner_model
from {stored} c
where {within}
