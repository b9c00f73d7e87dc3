-- Notes the exit code ($6) that was posted of run $1; a night with nothing to do becomes a run by it.
insert into recon.runs (run_id, command, code_version, status, finished_at, first_date, last_date, parameters)
values ($1::text, 'daily', $2::text, $3::text, now(), $4::date, $5::date, jsonb_build_object('told', $6::text))
on conflict (run_id) do update set parameters = runs.parameters || excluded.parameters
