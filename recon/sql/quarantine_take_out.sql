-- Takes out the rows that run $1 put in place of those of date $3, if they are still as it wrote them; they go to
-- the quarantine themselves, under run $2.
with doomed as (
    delete from {table} t
    using (
        select distinct settlement_period, farm_id, miner_model, replacement
        from recon.quarantine
        where run_id = $1::text and restored_by is null and replacement is not null and settlement_date = $3::date
    ) q
    where t.{settlement_date} = $3::date and t.{settlement_period} = q.settlement_period
      and t.{farm_id} = q.farm_id and t.{miner_model} = q.miner_model
      and {btc} = (q.replacement ->> 'bitcoin_mined')::numeric
      and {difficulty} = (q.replacement ->> 'difficulty')::numeric
    returning to_jsonb(t) as whole_row, q.settlement_period, q.farm_id, q.miner_model
), kept as (
    insert into recon.quarantine
        (run_id, reason, table_name, settlement_date, settlement_period, farm_id, miner_model, whole_row)
    select $2::text, 'restored', $4::text, $3::date, settlement_period, farm_id, miner_model, whole_row
    from doomed
    returning 1
)
select count(*) as removed from kept
