-- Per settlement date: the rows of run $1 that can be put back. What is no date of the calendar goes with its first or
-- last day.
select {day} as settlement_date, count(*) as rows
from recon.quarantine q
where q.run_id = $1::text and q.restored_by is null
group by 1
order by 1
