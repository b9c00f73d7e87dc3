-- Per settlement date: the rows of run $1 that can be put back, and the rows that now stand in their place.
select settlement_date, count(*) as rows,
    count(distinct (settlement_period, farm_id, miner_model)) filter (where replacement is not null) as replaced
from recon.quarantine
where run_id = $1::text and restored_by is null and table_name = $2::text
group by settlement_date
order by settlement_date
