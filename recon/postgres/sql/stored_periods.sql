-- The calculations within a scope by settlement date, settlement period and miner model, as survey_stored.sql counts
-- them; and once more by date and model (`whole`), in the same pass. Rows without a period have one together.
select
    settlement_date,
    period,
    grouping(period) = 1 as whole,
    miner_model::text as miner_model,
    count(*) as rows,
    coalesce(sum(key_hash), 0)::text as checksum{sums}
from (
    select *, {period} as period, {key_hash} as key_hash
    from {stored} c
    where settlement_date = any ({dates}) and {periods}
) hashed
group by grouping sets ((settlement_date, miner_model), (settlement_date, period, miner_model))
