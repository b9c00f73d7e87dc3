-- The keys within a scope that only rows without a price have.
select settlement_date, settlement_period, farm_id::text as farm_id
from {source} s
where settlement_date = any ({dates}) and {periods}
group by settlement_date, settlement_period, farm_id
having count(*) filter (where {priceable}) = 0
