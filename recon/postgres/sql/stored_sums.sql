-- Per settlement date and miner model of the calculations within a scope, one row of what a run wrote (`is_new`) and one
-- of the others: rows and the checksum of their keys. Of the others the checksum of their values (stored_cells.sql).
-- Of new ones their BTC in satoshis, weighted by their keys' hashes, so that two of them cannot be exchanged (null where
-- one is no finite number, or the sum is not whole), and the lowest and highest difficulty (null where one has none).
-- The fences (offset 0) keep hashes from being worked out again for each sum.
select
    settlement_date,
    miner_model,
    is_new,
    rows,
    checksum,
    contents,
    case when has_btc and btc > '-Infinity' and btc < 'Infinity' and btc * 100000000 % 1 = 0
        then trunc(btc * 100000000)::text end as satoshi,
    case when has_difficulty then lowest::text end as lowest,
    case when has_difficulty then highest::text end as highest
from (
    select
        settlement_date,
        miner_model,
        is_new,
        count(*) as rows,
        coalesce(sum(key_hash), 0)::text as checksum,
        coalesce(sum({value_hash}) filter (where not is_new), 0)::text as contents,
        count(bitcoin_mined) = count(*) as has_btc,
        sum({btc} * (key_hash & {weights})) filter (where is_new) as btc,
        count(difficulty) = count(*) as has_difficulty,
        min(difficulty) filter (where is_new) as lowest,
        max(difficulty) filter (where is_new) as highest
    from (
        select hashed.*, {is_new} as is_new
        from (
            select settlement_date, miner_model::text as miner_model, bitcoin_mined, difficulty, {key_hash} as key_hash
            from {stored_versions} c
            where {within} and {which}
            offset 0
        ) hashed
        offset 0
    ) told
    group by settlement_date, miner_model, is_new
) sides
