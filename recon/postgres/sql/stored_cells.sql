-- One row per cell (a settlement period of a date, or a part of it) and miner model of the calculations within a scope:
-- rows, the checksum of their keys (survey_stored.sql), and that of their values, which any change of any of them
-- changes. Rows without a period have one together. The fence (offset 0) keeps hashes from being worked out again for
-- each sum.
select
    settlement_date,
    {cell} as cell,
    miner_model,
    count(*) as rows,
    coalesce(sum(key_hash), 0)::text as checksum,
    coalesce(sum({value_hash}), 0)::text as contents
from (
    select settlement_date, {period} as period, miner_model::text as miner_model, bitcoin_mined, difficulty,
        {key_hash} as key_hash
    from {stored} c
    where settlement_date = any ({dates}) and {periods}
    offset 0
) hashed
group by settlement_date, cell, miner_model
