-- How many stored values are not what they should be.
with price as (
    select
        settlement_date, miner_model, difficulty,
        3600000000::numeric(60, 30) * hashrate_ths * 1000000000000 * subsidy_btc
        / (power_w * difficulty * 4294967296) as btc_per_mwh
    from terms
    cross join miner_models
)
select count(*)
from (
    select settlement_date, settlement_period, farm_id, sum(abs(volume)) as energy_mwh
    from curtailment_records
    group by settlement_date, settlement_period, farm_id
) keys
join price using (settlement_date)
join historical_bitcoin_calculations c using (settlement_date, settlement_period, farm_id, miner_model)
where c.bitcoin_mined <> round(energy_mwh * btc_per_mwh, 8) or c.difficulty <> price.difficulty;
