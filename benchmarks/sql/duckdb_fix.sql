-- fix.sql in DuckDB's words: it reads numeric without a precision as double.
insert into historical_bitcoin_calculations
    (settlement_date, settlement_period, farm_id, miner_model, bitcoin_mined, difficulty)
select
    settlement_date, settlement_period, farm_id, miner_model,
    round(energy_mwh * 3.6e9 * (hashrate_ths * 1e12) / power_w / (difficulty * 4294967296) * subsidy_btc, 8),
    difficulty
from (
    select settlement_date, settlement_period, farm_id, sum(abs(volume)) as energy_mwh
    from curtailment_records
    group by settlement_date, settlement_period, farm_id
) keys
join terms using (settlement_date)
cross join miner_models
where not exists (
    select 1 from historical_bitcoin_calculations c
    where c.settlement_date = keys.settlement_date and c.settlement_period = keys.settlement_period
        and c.farm_id = keys.farm_id and c.miner_model = miner_models.miner_model
)
