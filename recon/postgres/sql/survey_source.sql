-- One row per settlement date of the curtailment: its rows, those that cannot be priced, its keys and their checksum; on
-- each of them, and on one without a date where there is none, the newest date of the whole table, which an index has.
-- A key is told by its 64-bit hash within its date: sorting those of one date at a time takes a third of the time, and
-- none of the memory, of grouping all keys. Two keys of a date that share a hash make it one to be compared key by key.
-- In an order of their own (`dates_first`) dates and hashes are sorted without the columns that a hash is made of.
select dates.*, newest
from ({newest}) known
left join (
    select
        settlement_date,
        count(*) as source_rows,
        count(*) - count(key_hash) as invalid,
        count(distinct key_hash) as keys,
        coalesce(sum(distinct key_hash), 0)::text as checksum
    from (
        select settlement_date, case when {priceable} then {key_hash} end as key_hash
        from {source} s
        where {within}
        {dates_first}
    ) hashed
    group by settlement_date
) dates on true
order by settlement_date
