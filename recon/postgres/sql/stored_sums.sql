-- One row per settlement date and miner model of the calculations within a scope: rows, the checksum of their keys, and
-- their values, weighted by their keys' hashes, so that two of them cannot be exchanged; `odd` ones are no numbers and
-- in no sum. A date has one difficulty, or few, which are multiplied once. The fence (offset 0) keeps hashes from being
-- worked out again for each sum.
select
    settlement_date,
    miner_model,
    sum(rows)::int8 as rows,
    sum(hashes)::text as checksum,
    coalesce(sum(rows) filter (where not (is_finite and difficulty_is_finite)), 0)::int8 as odd,
    coalesce(sum(bitcoin) filter (where is_finite and difficulty_is_finite), 0)::text as bitcoin,
    coalesce(sum(difficulty * weights) filter (where is_finite and difficulty_is_finite), 0)::text as difficulty
from (
    select
        settlement_date,
        miner_model,
        difficulty,
        is_finite,
        coalesce(difficulty > '-Infinity' and difficulty < 'Infinity', false) as difficulty_is_finite,
        count(*) as rows,
        coalesce(sum(key_hash), 0) as hashes,
        sum(key_hash & {weights}) as weights,
        sum(btc * (key_hash & {weights})) filter (where is_finite) as bitcoin
    from (
        select *, coalesce(btc > '-Infinity' and btc < 'Infinity', false) as is_finite
        from (
            select settlement_date, miner_model::text as miner_model, {btc} as btc, {difficulty} as difficulty,
                {key_hash} as key_hash
            from {stored} c
            where settlement_date = any ({dates}) and {periods}
            offset 0
        ) hashed
    ) judged
    group by settlement_date, miner_model, difficulty, is_finite
) groups
group by settlement_date, miner_model
