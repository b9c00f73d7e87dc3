-- One row per settlement date: its source rows and a checksum of them, which any change of any of them changes.
select settlement_date, count(*) as source_rows,
    sum(hash_numeric_extended({volume}, {key_hash}))::text as checksum
from {source} s
where settlement_date = any ({dates}) and {periods}
group by settlement_date
