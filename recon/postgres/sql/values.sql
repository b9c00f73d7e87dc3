-- One row per stored calculation within a scope, with what names the row to the server (`row_id`), and its values.
select
    {row_id} as row_id,
    settlement_date, settlement_period, farm_id::text as farm_id, miner_model::text as miner_model,
    {btc_float} as stored_btc, {difficulty_float} as stored_difficulty
from {stored_rows} c
where {within}
