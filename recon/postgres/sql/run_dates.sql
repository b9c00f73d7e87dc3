select settlement_date, status, expected, missing, inserted, replaced, removed, attempts, seconds, error, btc::text as btc
from recon.run_dates
where run_id = $1::text
order by position
