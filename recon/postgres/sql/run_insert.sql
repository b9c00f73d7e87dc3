insert into recon.runs (run_id, command, code_version, status, first_date, last_date, parameters, max_changes)
values ($1, $2, $3, 'running', $4::date, $5::date, $6::jsonb, $7::int8)
