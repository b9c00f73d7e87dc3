-- One row per farm of the curtailment: the first and the last settlement date it has a key on, and how many.
select farm_id::text as farm_id, min(settlement_date) as first_date, max(settlement_date) as last_date, count(*) as dates
from (
    select farm_id, settlement_date
    from {source} s
    where settlement_date between {first} and {last} and {priceable}
    group by farm_id, settlement_date
) days
group by farm_id
order by farm_id
