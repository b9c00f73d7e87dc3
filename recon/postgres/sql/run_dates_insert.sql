insert into recon.run_dates (run_id, settlement_date, position, status, expected, missing, error)
select $1::text, d.*
from unnest($2::date[], $3::int4[], $4::text[], $5::int8[], $6::int8[], $7::text[]) as d
