-- undated_rows
-- The calculations that no window of dates holds, as values.sql names them.
select {row_id} as row_id from {stored_rows} c where {undated}
