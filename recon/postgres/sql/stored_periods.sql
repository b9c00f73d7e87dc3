-- One row per settlement date, settlement period and miner model of the calculations within a scope: rows and the
-- checksum of their keys (survey_stored.sql). Rows without a period have one together.
select
    settlement_date,
    period,
    miner_model::text as miner_model,
    count(*) as rows,
    coalesce(sum(key_hash), 0)::text as checksum
from (
    select settlement_date, {period} as period, miner_model, {key_hash} as key_hash
    from {stored} c
    where settlement_date = any ({dates}) and {periods}
) hashed
group by settlement_date, period, miner_model
