-- The keys of keys.sql and the state of their dates (source_state.sql) as of one moment, which only one statement has.
-- A date's state comes as a row without a farm.
select k.*, null::int8 as source_rows, null::text as checksum from ({keys}) k
union all
select settlement_date, null, null, null, source_rows, checksum from ({state}) s
