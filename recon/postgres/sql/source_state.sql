-- One row per settlement date: its source rows, and a checksum of the volumes of those that are not told by their version,
-- which any change of any of them changes; a null counts, too.
select settlement_date, count(*) as source_rows,
    coalesce(sum(coalesce(hash_numeric_extended({volume}, {key_hash}), 1)) filter (where not {source_is_old}), 0)::text as volumes
from {source_versions} s
where {within}
group by settlement_date
