-- Up to five keys of the source that are near to one that does not exist: those of the same settlement period, names
-- that begin alike first, then those of the same farm by date, then those of the same date by period.
with own as (
    select settlement_date, settlement_period::int4 as settlement_period, farm_id::text as farm_id
    from {source} s
    where {priceable} and (settlement_date = $1::date or farm_id = $3::text)
    group by 1, 2, 3
), near as (
    select o.*, case when settlement_date = $1::date and settlement_period = $2::int8 then 1
        when farm_id = $3::text then 2 else 3 end as kind,
        (select max(n) from generate_series(0, length($3::text)) n
            where left(lower(farm_id), n) = left(lower($3::text), n)) as alike
    from own o
), ranked as (
    select n.*, row_number() over (partition by kind order by case when kind = 1 then -alike end,
        abs(settlement_date - $1::date), abs(settlement_period - $2::int8), farm_id, settlement_date,
        settlement_period) as place
    from near n
)
select settlement_date, settlement_period, farm_id
from ranked
where place <= case kind when 2 then 5 else 3 end
order by kind, place
limit 5
