-- The source rows of one key, in the order they were entered; `priced` says whether a row counts.
select volume::text as volume_mwh, coalesce({priceable}, false) as priced
from {source} s
where settlement_date = $1::date and settlement_period = $2::int8 and farm_id = $3::text
