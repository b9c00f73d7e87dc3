-- One row per key within a scope: its hash instead of its farm, and its energy (keys.sql). Two keys that share a hash
-- come as one, whose energy is nobody's.
select settlement_date{period}, {key_hash} as key_hash, {energy_mwh} as energy_mwh
from {source} s
where {within} and {priceable}
group by settlement_date{period}, {key_hash}
