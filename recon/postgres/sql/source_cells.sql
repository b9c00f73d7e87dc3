-- One row per cell (a settlement period of a date, or a part of it) of the curtailment within a scope: its rows, its
-- keys and their checksum (survey_source.sql), and the checksum of its volumes (source_state.sql). Rows without a period
-- (null, or beyond 32 bits) have one together.
select
    settlement_date,
    {cell} as cell,
    count(*) as source_rows,
    count(distinct key_hash) filter (where priceable) as keys,
    coalesce(sum(distinct key_hash) filter (where priceable), 0)::text as checksum,
    coalesce(sum(volume_hash), 0)::text as volumes
from (
    select *, hash_numeric_extended(volume, key_hash) as volume_hash
    from (
        select settlement_date, {period} as period, {priceable} as priceable, {key_hash} as key_hash, {volume} as volume
        from {source} s
        where settlement_date = any ({dates}) and {periods}
        offset 0
    ) keyed
) hashed
group by settlement_date, cell
