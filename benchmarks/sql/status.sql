-- Less than a status: how many keys there are and how many pairs are stored, not whether they are the same ones.
select
    (select count(*) from (
        select from curtailment_records group by settlement_date, settlement_period, farm_id
    ) keys),
    (select count(*) from (
        select from historical_bitcoin_calculations group by settlement_date, settlement_period, farm_id, miner_model
    ) pairs);
