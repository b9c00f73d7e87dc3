-- status.sql in DuckDB's words.
select
    (select count(*) from (select distinct settlement_date, settlement_period, farm_id from curtailment_records)),
    (select count(*) from (
        select distinct settlement_date, settlement_period, farm_id, miner_model from historical_bitcoin_calculations
    ))
