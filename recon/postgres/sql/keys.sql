-- One row per key of the given dates, with its energy: numeric is summed exactly and cast once (as_float.sql). The fence
-- (offset 0) has rows out of scope left out first: whether one can be priced takes longer to tell.
select
    settlement_date,
    settlement_period::int4 as settlement_period,
    farm_id::text as farm_id,
    {energy_mwh} as energy_mwh
from (select settlement_date, settlement_period, farm_id, volume from {source} s where {within} offset 0) s
where {priceable}
group by settlement_date, settlement_period, farm_id
