-- Per run the rows that it replaced or removed ($1: of that run only), newest first: how many for which reason, the first
-- and the last date, and how many were put back since, by which runs.
with reasons as (
    select run_id, reason, count(*) as rows from recon.quarantine where $1::text is null or run_id = $1::text group by 1, 2
)
select q.run_id, min(q.quarantined_at)::text as quarantined_at, count(*) as rows,
    (select jsonb_object_agg(r.reason, r.rows) from reasons r where r.run_id = q.run_id)::text as reasons,
    min(q.settlement_date)::text as first_date, max(q.settlement_date)::text as last_date,
    count(q.restored_by) as restored,
    coalesce(string_agg(distinct q.restored_by, ' '), '') as restored_by
from recon.quarantine q
where $1::text is null or q.run_id = $1::text
group by q.run_id
order by min(q.quarantined_at) desc, q.run_id
