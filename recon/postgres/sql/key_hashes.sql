-- The hash of each key within a scope.
select distinct settlement_date, {key_hash} as key_hash
from {source} s
where settlement_date = any ({dates}) and {periods} and {priceable}
