-- verify_stored.sql where a unique index proves that every row is a pair of its own: a third of the time.
select
    settlement_date,
    miner_model::text as miner_model,
    count(*) as rows,
    count(*) as pairs,
    count(*) filter (where xmin = (select pg_current_xact_id()::xid)) as written,
    coalesce(sum({btc}) filter (where xmin = (select pg_current_xact_id()::xid)), 0)::text as bitcoin
from {stored_rows} c
where settlement_date = any ({dates}) and {periods}
group by settlement_date, miner_model
