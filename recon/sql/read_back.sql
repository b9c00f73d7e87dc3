-- One row per stored calculation of the given dates and periods, with its exact BTC.
select settlement_date, settlement_period, farm_id::text as farm_id, miner_model::text as miner_model,
    {btc}::text as bitcoin
from {stored} c
where settlement_date = any ({dates}) and {periods}
