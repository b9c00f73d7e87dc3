-- Run $1 may change $2 stored rows in all.
update recon.runs set max_changes = $2::int8 where run_id = $1::text
