-- One row per settlement date and miner model: rows, the exact BTC sum, and a checksum of the sorted rows.
-- Every row is one JSON array, so no field can run into the next; numbers are without trailing zeros.
select settlement_date, miner_model::text as miner_model, count(*) as rows,
    trim_scale(sum({btc}))::text as btc,
    encode(sha256(convert_to(string_agg(line, E'\n' order by line collate "C"), 'UTF8')), 'hex') as checksum
from (
    select settlement_date, miner_model, bitcoin_mined,
        json_build_array(settlement_period, farm_id, trim_scale({btc})::text, trim_scale({difficulty})::text)::text as line
    from {stored} c
    where settlement_date between {first} and {last}
) lines
group by settlement_date, miner_model
order by settlement_date, miner_model::text collate "C"
