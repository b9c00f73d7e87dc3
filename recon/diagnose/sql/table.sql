-- One table (and its partitions) by oid $1: rows by estimate, bytes, dead rows, and when it was last cleaned and analyzed.
select coalesce(sum(greatest(c.reltuples, 0)), 0)::int8 as rows, coalesce(sum(pg_total_relation_size(c.oid)), 0)::int8 as bytes,
    coalesce(sum(s.n_dead_tup), 0)::int8 as dead,
    max(greatest(s.last_vacuum, s.last_autovacuum))::text as vacuumed,
    max(greatest(s.last_analyze, s.last_autoanalyze))::text as analyzed
from (select $1::int8::oid as relid union select relid from pg_partition_tree($1::int8::oid::regclass)) parts
join pg_class c on c.oid = parts.relid
left join pg_stat_all_tables s on s.relid = c.oid
