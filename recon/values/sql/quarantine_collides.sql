-- How many of the rows that run $1 removed of date $2 and that can be put back have a key that another row has, too: one
-- of the table, or another one of these. A key with a null is nobody else's.
select count(*) as rows
from (
    select q.*, count(*) over (partition by settlement_date, settlement_period, farm_id, miner_model) as alike
    from recon.quarantine q
    where q.run_id = $1::text and q.restored_by is null and q.action = 'remove' and {day} = $2::date
        and num_nulls(settlement_date, settlement_period, farm_id, miner_model) = 0
) q
where alike > 1 or exists (
    select from {table} t
    where t.{settlement_date} = q.settlement_date and t.{settlement_period} = q.settlement_period
        and t.{farm_id} = q.farm_id and t.{miner_model} = q.miner_model)
