-- One row per key of the given dates: its energy, and a fingerprint of key and energy.
-- numeric is summed exactly and cast once; hash_numeric_extended takes 1.0 and 1.00 for the same number.
select
    settlement_date,
    settlement_period::int4 as settlement_period,
    farm_id::text as farm_id,
    sum(abs({volume}))::float8 as energy_mwh,
    hash_numeric_extended(sum(abs({volume})), {key_hash}) as fingerprint
from {source} s
where settlement_date = any ({dates}) and {periods} and {priceable}
group by settlement_date, settlement_period, farm_id
