-- The rows that run $1 of an older version put in place of those of date $2, where they are still as it wrote them.
select distinct concat_ws('/', t.tableoid, t.ctid, t.xmin) as row_id, t.{settlement_date} as settlement_date
from recon.quarantine q
join {table} t on t.{settlement_date} = q.settlement_date and t.{settlement_period} = q.settlement_period
    and t.{farm_id} = q.farm_id and t.{miner_model} = q.miner_model
    and {btc} = (q.replacement ->> 'bitcoin_mined')::numeric
    and {exact_difficulty} = (q.replacement ->> 'difficulty')::numeric
where q.run_id = $1::text and q.restored_by is null and q.row_types is null and q.replacement is not null
    and q.settlement_date = $2::date
