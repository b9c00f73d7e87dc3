-- One row per key within a scope: its hash instead of its farm, its energy (keys.sql), and how many rows it has. Those
-- that cannot be priced come together, without a hash. Two keys that share a hash come as one, whose energy is nobody's.
select settlement_date{period}, key_hash, {energy_mwh} as energy_mwh, count(*) as source_rows
from (
    select settlement_date, settlement_period, case when {priceable} then {key_hash} end as key_hash, volume
    from {source} s
    where {within}
) hashed
group by settlement_date{period}, key_hash
