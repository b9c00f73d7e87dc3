update recon.runs r set
    status = case
        when exists (select from recon.run_dates d where d.run_id = r.run_id and d.status not in ('done', 'skipped'))
            then coalesce($2::text, 'incomplete')
        else 'done' end,  -- also where it was stopped between its last date and this
    finished_at = now()
where run_id = $1::text
