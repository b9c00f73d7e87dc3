-- One row per settlement date of the curtailment: its rows, those that cannot be priced, its keys and their checksum.
select
    settlement_date,
    sum(n)::int8 as source_rows,
    sum(n - priced)::int8 as invalid,
    count(*) filter (where priced > 0) as keys,
    coalesce(sum(hashtextextended(farm_id, settlement_period)) filter (where priced > 0), 0)::text as checksum
from (
    select settlement_date, settlement_period, farm_id, count(*) as n, count(*) filter (where {priceable}) as priced
    from {source} s
    where settlement_date between {first} and {last}
    group by settlement_date, settlement_period, farm_id
) keys
group by settlement_date
order by settlement_date
