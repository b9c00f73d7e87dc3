-- One lock per settlement date (days since 1970) until the transaction ends, always taken in the same order.
select pg_advisory_xact_lock({space}, day) from unnest({days}) as day
