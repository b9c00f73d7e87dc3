-- Every run, newest first, with what its dates came to. A run whose sessions are gone is not running.
select
    r.run_id, r.command, r.code_version, r.started_at::text as started_at, r.finished_at::text as finished_at,
    case when r.status = 'running' and not exists (
        select from pg_stat_activity a where a.application_name like 'recon/%/' || r.run_id) then 'stopped'
        else r.status end as status,
    r.first_date, r.last_date, r.parameters::text as parameters,
    count(d.*) as dates,
    count(d.*) filter (where d.status in ('done', 'skipped')) as dates_done,
    coalesce(sum(d.inserted), 0)::int8 as inserted,
    coalesce(sum(d.replaced), 0)::int8 as replaced,
    greatest(coalesce(sum(d.removed), 0),  -- rows without a date are of no date of the plan
        (to_jsonb(r) ->> 'changed')::int8 - coalesce(sum(d.replaced), 0))::int8 as removed
from recon.runs r
left join recon.run_dates d on d.run_id = r.run_id
where $1::text is null or r.run_id = $1::text
group by r.run_id
order by r.started_at desc, r.run_id
