-- One row per settlement date: its source rows, and a checksum of the volumes of those that are not told by their version,
-- which any change of any of them changes.
select settlement_date, count(*) as source_rows,
    coalesce(sum(hash_numeric_extended({volume}, {key_hash})) filter (where not {source_is_old}), 0)::text as volumes
from {source_versions} s
where {within}
group by settlement_date
