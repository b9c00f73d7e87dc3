-- One row per miner model of some calculations: an answer, in numbers that any wrong or lost row changes. No pair is
-- there twice: the unique index says so.
select
    miner_model,
    count(*) as rows,
    sum(hashtextextended(farm_id, settlement_period * 100000 + (settlement_date - date '2000-01-01'))) as checksum,
    sum(bitcoin_mined) as btc,
    sum(difficulty) as difficulty
from {rows} calculations
group by miner_model
order by miner_model
