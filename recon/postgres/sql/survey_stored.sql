-- One row per settlement date and miner model of the calculations: rows and the checksum of their keys.
select
    settlement_date,
    miner_model::text as miner_model,
    count(*) as rows,
    coalesce(sum({key_hash}), 0)::text as checksum
from {stored} c
where {within}
group by settlement_date, miner_model
order by settlement_date, miner_model
