-- One row per settlement date of the curtailment: its rows, those that cannot be priced, its keys and their checksum.
-- A key is told by its 64-bit hash within its date: sorting those of one date at a time takes a third of the time, and
-- none of the memory, of grouping all keys. Two keys of a date that share a hash make it one to be compared key by key.
select
    settlement_date,
    count(*) as source_rows,
    count(*) filter (where ({priceable}) is not true) as invalid,
    count(distinct {key_hash}) filter (where {priceable}) as keys,
    coalesce(sum(distinct {key_hash}) filter (where {priceable}), 0)::text as checksum
from {source} s
where settlement_date between {first} and {last}
group by settlement_date
order by settlement_date
