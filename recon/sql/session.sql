-- Limits and formats of one session. $1 statement, $2 lock, $3 idle-in-transaction timeout (null: keep the
-- role's own limit where it has one, since an administrator set it on purpose; else ours). The first in seconds.
select
    extract(epoch from set_config('statement_timeout', coalesce($1::text, case current_setting('statement_timeout') when '0' then '120s' else current_setting('statement_timeout') end), false)::interval)::float8 as statement_s,
    set_config('lock_timeout', coalesce($2::text, case current_setting('lock_timeout') when '0' then '30s' else current_setting('lock_timeout') end), false) as lock_timeout,
    set_config('idle_in_transaction_session_timeout', coalesce($3::text, case current_setting('idle_in_transaction_session_timeout') when '0' then '60s' else current_setting('idle_in_transaction_session_timeout') end), false) as idle_in_transaction_session_timeout,
    set_config('timezone', 'UTC', false) as timezone,
    set_config('extra_float_digits', '1', false) as extra_float_digits
