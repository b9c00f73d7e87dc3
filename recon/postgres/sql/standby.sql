-- Whether a commit of this session waits for a synchronous standby (`names`) that is not there: how many it needs, and
-- how many there are (of those whose state this role may not see, all).
select names, needed, present, waits and present < needed as is_away
from (
    select current_setting('synchronous_standby_names') as names,
        coalesce(substring(current_setting('synchronous_standby_names') from '^\s*(?:[A-Za-z]+\s+)?(\d+)\s*\(')::int4, 1) as needed,
        (select count(*)::int4 from pg_stat_replication r where coalesce(r.sync_state in ('sync', 'quorum'), true)) as present,
        current_setting('synchronous_standby_names') <> '' and current_setting('max_wal_senders')::int4 > 0
            and current_setting('synchronous_commit') in ('on', 'remote_write', 'remote_apply') as waits
) s
