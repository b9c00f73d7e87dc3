-- The exit code that the newest nightly run's webhook was told.
select parameters ->> 'told' as told
from recon.runs
where command = 'daily' and parameters ->> 'told' ~ '^[0-9]+$'
order by started_at desc
limit 1
