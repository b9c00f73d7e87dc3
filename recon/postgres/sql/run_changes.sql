-- How many stored rows run $1 has changed, and how many it may.
select changed, max_changes from recon.runs where run_id = $1::text
