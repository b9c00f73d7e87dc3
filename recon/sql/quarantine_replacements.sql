-- Notes beside the rows that run $1 removed which values it put in their place.
update recon.quarantine q set replacement = jsonb_build_object('bitcoin_mined', v.btc, 'difficulty', v.difficulty)
from unnest($2::date[], $3::int8[], $4::text[], $5::text[], $6::text[], $7::text[])
    as v (settlement_date, settlement_period, farm_id, miner_model, btc, difficulty)
where q.run_id = $1::text and q.replacement is null
  and q.settlement_date = v.settlement_date and q.settlement_period = v.settlement_period
  and q.farm_id = v.farm_id and q.miner_model = v.miner_model
