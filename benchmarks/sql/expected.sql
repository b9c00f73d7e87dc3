-- One row per calculation that should be stored, from the physics in exact decimals; nothing of recon is in it.
select
    settlement_date, settlement_period, farm_id, miner_model,
    round(
        energy_mwh * 3600000000::numeric(60, 20) * (hashrate_ths * 1000000000000) * subsidy_btc
        / (power_w * difficulty * 4294967296), 8
    ) as bitcoin_mined,
    difficulty
from (
    select settlement_date, settlement_period, farm_id, sum(abs(volume)) as energy_mwh
    from curtailment_records
    group by settlement_date, settlement_period, farm_id
) keys
join terms using (settlement_date)
cross join miner_models
