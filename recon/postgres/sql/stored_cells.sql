-- One row per cell (a settlement period of a date, or a part of it) and miner model of the calculations within a scope:
-- rows, the checksum of their keys (survey_stored.sql), and where asked for the sum of their contents: 1 for each row that
-- is told by its version, of others the hash of their values. Rows without a period have one cell together. The fence
-- (offset 0) keeps hashes from being worked out again for each sum.
select
    settlement_date,
    {cell} as cell,
    miner_model,
    count(*) as rows,
    coalesce(sum(key_hash), 0)::text as checksum,
    {contents} as contents
from (
    select settlement_date, {period} as period, miner_model::text as miner_model, bitcoin_mined, difficulty,
        {key_hash} as key_hash, {stored_is_old} as is_old
    from {stored_versions} c
    where {within}
    offset 0
) hashed
group by settlement_date, cell, miner_model
