-- One row per key of the given dates: its energy, and a fingerprint that changes whenever the energy does.
-- numeric is summed exactly and cast once; the fingerprint's text is read from the right, so no farm id can imitate another.
select
    settlement_date,
    settlement_period::int4 as settlement_period,
    farm_id::text as farm_id,
    sum(abs({volume}))::float8 as energy_mwh,
    hashtextextended(farm_id || '/' || settlement_period || '/' || sum(abs({volume})), 0) as fingerprint
from {source} s
where settlement_date = any ({dates}) and {periods} and {priceable}
group by settlement_date, settlement_period, farm_id
