-- The exit code of the nightly run that was posted last.
select parameters ->> 'told' as exit_code
from recon.runs
where command = 'daily' and parameters ->> 'told' ~ '^[0-9]+$'
order by started_at desc
limit 1
