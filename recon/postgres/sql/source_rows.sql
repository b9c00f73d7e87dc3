-- keys.sql with the energies of the key's single rows, to tell "one source row instead of their sum".
select
    settlement_date,
    settlement_period::int4 as settlement_period,
    farm_id::text as farm_id,
    {energy_mwh} as energy_mwh,
    count(*)::int8 as source_rows,
    array_agg(distinct abs({volume_float})) as row_mwh
from {source} s
where {within} and {priceable}
group by settlement_date, settlement_period, farm_id
