-- fingerprints
-- What was last seen of each date of the calculations $1 within a window.
select settlement_date, source_rows, invalid, keys, counts::text as counts, source_mark,
    to_char(taken_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS') as taken_at
from recon.fingerprints
where calculations = $1::text and settlement_date between $2::date and $3::date
order by settlement_date
