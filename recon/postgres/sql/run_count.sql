-- Counts $2 more changed rows of run $1, if it may change so many. One count for all workers: the row is locked until
-- the chunk commits, by chunks that change rows and only at their end.
update recon.runs set changed = changed + $2::int8
where run_id = $1::text and (max_changes is null or changed + $2::int8 <= max_changes)
returning changed
