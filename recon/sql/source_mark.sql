-- source_mark
-- A mark that every committed change of the table $1 (an oid) changes, told without reading it: what was inserted,
-- updated and deleted so far (by the server's own statistics), and its files (which TRUNCATE replaces).
select format('%s rows changed, files %s', coalesce(sum(
        pg_stat_get_tuples_inserted(oid) + pg_stat_get_tuples_updated(oid) + pg_stat_get_tuples_deleted(oid)), 0),
    hashtextextended(string_agg(format('%s:%s', oid, pg_relation_filenode(oid)), ' ' order by oid), 0)) as mark
from (
    select $1::int8::oid as oid union select relid::oid from pg_partition_tree(($1::int8::oid)::regclass)
) parts
