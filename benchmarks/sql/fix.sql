-- The whole job as one statement. What a MWh is worth is worked out once per date and model.
with price as (
    select
        settlement_date, miner_model, difficulty,
        3600000000::numeric(60, 30) * hashrate_ths * 1000000000000 * subsidy_btc
        / (power_w * difficulty * 4294967296) as btc_per_mwh
    from terms
    cross join miner_models
)
insert into historical_bitcoin_calculations
    (settlement_date, settlement_period, farm_id, miner_model, bitcoin_mined, difficulty)
select settlement_date, settlement_period, farm_id, miner_model, round(energy_mwh * btc_per_mwh, 8), difficulty
from (
    select settlement_date, settlement_period, farm_id, sum(abs(volume)) as energy_mwh
    from curtailment_records
    group by settlement_date, settlement_period, farm_id
) keys
join price using (settlement_date)
where not exists (
    select from historical_bitcoin_calculations c
    where (c.settlement_date, c.settlement_period, c.farm_id, c.miner_model)
        = (keys.settlement_date, keys.settlement_period, keys.farm_id, price.miner_model)
);
