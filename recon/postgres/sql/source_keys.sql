-- The cell (a settlement period of a date, or a part of it) and the hash of the key of every row of the curtailment within
-- a scope; no hash where it cannot be priced. Who asks makes keys of them: that takes a third of what count(distinct)
-- takes the server.
select settlement_date, {cell} as cell, key_hash
from (
    select settlement_date, {period} as period, case when {priceable} then {key_hash} end as key_hash
    from {source} s
    where {within}
    offset 0
) keyed
