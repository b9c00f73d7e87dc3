-- One row per settlement date: its source rows and a checksum of their volumes, which any change of any of them changes.
select settlement_date, count(*) as source_rows,
    coalesce(sum(hash_numeric_extended({volume}, {key_hash})), 0)::text as volumes
from {source} s
where settlement_date = any ({dates}) and {periods}
group by settlement_date
