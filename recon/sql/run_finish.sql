update recon.runs r set
    status = case
        when $2::text is not null then $2::text
        when exists (select from recon.run_dates d where d.run_id = r.run_id and d.status not in ('done', 'skipped'))
            then 'incomplete'
        else 'done' end,
    finished_at = now()
where run_id = $1::text
