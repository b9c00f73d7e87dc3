-- The limits by which the server ends a session like this one for waiting, in seconds; null where there is none.
select
    nullif(extract(epoch from current_setting('idle_session_timeout', true)::interval), 0)::float8 as "57P05",
    nullif(extract(epoch from current_setting('idle_in_transaction_session_timeout', true)::interval), 0)::float8 as "25P03",
    nullif(extract(epoch from current_setting('transaction_timeout', true)::interval), 0)::float8 as "25P04"
