-- One row per settlement date and miner model of the calculations: rows and their exact BTC sum.
select settlement_date, miner_model::text as miner_model, count(*) as rows, sum({btc})::text as btc
from {stored} c
where {within}
group by settlement_date, miner_model
