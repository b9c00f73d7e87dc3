-- The cell (a settlement period of a date, or a part of it) and the hash of the key of every row of the curtailment within
-- a scope; no hash where it cannot be priced. Who asks makes keys of them: that takes a third of what count(distinct)
-- takes the server. Where asked for what it adds to the `volumes` of its date (source_state.sql).
select settlement_date, {cell} as cell, case when priceable then key_hash end as key_hash, {volume_hash} as volume_hash
from (
    select settlement_date, {period} as period, {priceable} as priceable, {key_hash} as key_hash, {volume} as volume,
        {source_is_old} as is_old
    from {source_versions} s
    where {within}
    offset 0
) keyed
