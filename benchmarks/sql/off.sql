-- How many stored rows are further than a satoshi from what should be stored, or should not be stored at all.
select count(*)::int8 as off
from historical_bitcoin_calculations c
left join ({expected}) e using (settlement_date, settlement_period, farm_id, miner_model)
where abs(c.bitcoin_mined - e.bitcoin_mined) <= 0.00000001 is not true or c.difficulty <> e.difficulty
