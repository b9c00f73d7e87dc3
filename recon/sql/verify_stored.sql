-- One row per settlement date and miner model: all rows and distinct pairs, and the rows and the exact BTC sum
-- that this very transaction wrote (xmin is the transaction's id).
select
    settlement_date,
    miner_model::text as miner_model,
    sum(n)::int8 as rows,
    count(*) as pairs,
    sum(n_written)::int8 as written,
    coalesce(sum(btc_written), 0)::text as bitcoin
from (
    select settlement_date, miner_model, count(*) as n,
        count(*) filter (where xmin = (select pg_current_xact_id()::xid)) as n_written,
        sum({btc}) filter (where xmin = (select pg_current_xact_id()::xid)) as btc_written
    from {stored_rows} c
    where settlement_date = any ({dates}) and {periods}
    group by settlement_date, settlement_period, farm_id, miner_model
) pairs
group by settlement_date, miner_model
