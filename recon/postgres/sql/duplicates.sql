-- Rows beyond the first of their key and miner model.
select coalesce(sum(n - 1), 0)::int8 as duplicates
from (select count(*) as n from {stored} c group by settlement_date, settlement_period, farm_id, miner_model) pairs
