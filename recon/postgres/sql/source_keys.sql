-- The cell (a settlement period of a date, or a part of it) and the hash of every row of the curtailment that can be
-- priced, within a scope. Who asks makes keys of them: that takes a third of what count(distinct) takes the server.
select settlement_date, {cell} as cell, key_hash
from (
    select settlement_date, {period} as period, {key_hash} as key_hash
    from {source} s
    where {within} and {priceable}
    offset 0
) keyed
