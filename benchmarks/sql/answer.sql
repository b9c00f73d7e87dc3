-- One row per miner model of some calculations: an answer, in numbers that any wrong, lost or doubled row changes.
select
    miner_model,
    sum(n)::int8 as rows,
    count(*)::int8 as keys,
    sum(hashtextextended(farm_id, settlement_period * 100000 + (settlement_date - date '2000-01-01'))) as checksum,
    sum(btc) as btc,
    sum(difficulty) as difficulty
from (
    select
        settlement_date, settlement_period, farm_id, miner_model,
        count(*) as n, sum(bitcoin_mined) as btc, sum(difficulty) as difficulty
    from {rows} calculations
    group by settlement_date, settlement_period, farm_id, miner_model
) pairs
group by miner_model
order by miner_model
