-- One row per column of the tables $1 (oids), with its type and what this role may do; and whether every row has a
-- version (xmin) that says when it was written: not those of views, foreign tables, other ways of storing, or of what
-- inherits, by which extensions keep rows elsewhere.
select
    c.oid::int8 as table_oid,
    format('%I.%I', n.nspname, c.relname) as relation,
    n.nspname::text as schema_name,
    c.relname::text as table_name,
    c.relkind::text as kind,
    c.relkind <> 'p' and exists (select from pg_inherits i where i.inhparent = c.oid) as has_heirs,
    has_versions and has_table_privilege(c.oid, 'SELECT') as has_versions,
    a.attname::text as column_name,
    format_type(a.atttypid, a.atttypmod) as type_name,
    coalesce(base.typname, t.typname)::text as base_type,
    case when t.typtype = 'd' then t.typtypmod else a.atttypmod end as typmod,
    a.attnotnull and not a.atthasdef and a.attidentity = '' as must_be_given,
    has_column_privilege(c.oid, a.attnum, 'SELECT') as may_select,
    has_column_privilege(c.oid, a.attnum, 'INSERT') as may_insert,
    has_column_privilege(c.oid, a.attnum, 'UPDATE') as may_update,
    has_table_privilege(c.oid, 'DELETE') as may_delete,
    has_table_privilege(c.oid, 'SELECT') as may_select_whole,
    case when a.atthasdef and a.attidentity = '' then pg_get_serial_sequence(format('%I.%I', n.nspname, c.relname), a.attname::text) end as sequence_name,
    row_security_active(c.oid) as row_security,
    current_user::text as role_name,
    current_setting('server_version_num')::int4 as server_version
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
join pg_type t on t.oid = a.atttypid
left join pg_type base on t.typtype = 'd' and base.oid = t.typbasetype
cross join lateral (
    select bool_and(leaf.relkind in ('r', 'm') and m.amname = 'heap')
        and not exists (select from pg_inherits i where c.relkind <> 'p' and i.inhparent = c.oid)
        and not exists (select from pg_extension e where e.extname = 'citus') as has_versions
    from (select c.oid as relid where c.relkind <> 'p' union all select relid from pg_partition_tree(c.oid) where isleaf) leaves
    join pg_class leaf on leaf.oid = leaves.relid
    left join pg_am m on m.oid = leaf.relam
) versions
where c.oid = any ($1::int8[]::oid[])
order by c.oid, a.attnum
