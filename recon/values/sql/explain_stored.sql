-- The stored calculations of one key.
select miner_model::text as miner_model, {btc}::text as bitcoin_mined, difficulty::text as difficulty
from {stored} c
where settlement_date = $1::date and settlement_period = $2::int8 and farm_id = $3::text
order by miner_model
