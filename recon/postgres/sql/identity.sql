-- Which table a name stands for, with its partitions and the places of its columns.
select md5(string_agg(concat_ws(' ', attrelid, attnum, attname), ',' order by attrelid, attnum))
from pg_attribute
where attnum > 0
    and attrelid in (select {relation}::regclass::oid union select relid from pg_partition_tree({relation}::regclass))
