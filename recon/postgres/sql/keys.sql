-- One row per key of the given dates, with its energy: numeric is summed exactly and cast once (as_float.sql).
select
    settlement_date,
    settlement_period::int4 as settlement_period,
    farm_id::text as farm_id,
    {energy_mwh} as energy_mwh
from {source} s
where {within} and {priceable}
group by settlement_date, settlement_period, farm_id
