-- Whether a session of the name $1 waits for a synchronous standby to confirm its commit.
select exists (
    select from pg_stat_activity where application_name = left($1::text, 63) and wait_event = 'SyncRep'
) as waits
