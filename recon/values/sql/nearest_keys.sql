-- Up to five keys of the source that are nearest to one that does not exist, nearest first: those of the same farm by
-- date, then those of the same date by period.
select settlement_date, settlement_period, farm_id
from (
    (select settlement_date, settlement_period::int4 as settlement_period, farm_id::text as farm_id
     from {source} s where farm_id = $3::text
     group by 1, 2, 3
     order by abs(settlement_date - $1::date), abs(settlement_period - $2::int8), 1, 2 limit 3)
    union
    (select settlement_date, settlement_period::int4, farm_id::text
     from {source} s where settlement_date = $1::date
     group by 1, 2, 3
     order by abs(settlement_period - $2::int8), 3 limit 2)
) nearest
order by farm_id <> $3::text, abs(settlement_date - $1::date), abs(settlement_period - $2::int8), farm_id
