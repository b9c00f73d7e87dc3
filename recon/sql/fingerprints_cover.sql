-- fingerprints_cover
-- Whether surveys of the calculations $1 have seen the whole of a window.
select coalesce(range_agg(daterange(first_date, last_date, '[]')) @> daterange($2::date, $3::date, '[]'), false) as whole
from recon.fingerprints
where calculations = $1::text
