-- One row per stored calculation within a scope: its key's hash instead of the key.
select settlement_date, {key_hash} as key_hash, miner_model::text as miner_model
from {stored} c
where {within}
