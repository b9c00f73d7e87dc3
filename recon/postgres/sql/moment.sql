-- The oldest transaction that is at work, and which tables the names stand for.
select pg_snapshot_xmin(pg_current_snapshot())::xid::text as oldest, ({source_identity}) as source, ({stored_identity}) as stored
