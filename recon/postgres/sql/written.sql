-- The rows that a run wrote, beside those that are there.
left join rows from (
    unnest({days}::date[]), unnest({hashes}::int8[]), unnest({models}::text[])
) as w (day, hash, model) on w.day = settlement_date and w.hash = key_hash and w.model = miner_model
