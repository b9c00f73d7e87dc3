-- values.sql with the BTC itself as text: to a satoshi, and whether more decimals than that are stored.
select row_id, settlement_date, settlement_period, farm_id, miner_model, stored_btc, stored_difficulty,
    round(exact, 8)::text as bitcoin_mined, coalesce(exact <> round(exact, 8), false) as rounded
from (
    select
        {row_id} as row_id,
        settlement_date, settlement_period, farm_id::text as farm_id, miner_model::text as miner_model,
        {btc_float} as stored_btc, {difficulty_float} as stored_difficulty,
        {btc} as exact
    from {stored_rows} c
    where {within}
) v
