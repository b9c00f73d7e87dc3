-- The keys of keys.sql, each with its hash, and the state of their dates (source_state.sql) as of one moment, which only
-- one statement has. A date's state comes as a row without a farm.
select k.*, {key_hash} as key_hash, null::int8 as source_rows, null::text as volumes from ({keys}) k
union all
select settlement_date, null, null, null, null, source_rows, volumes from ({state}) s
