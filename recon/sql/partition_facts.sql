-- partition_facts
-- What has to be kept when the table $1 (an SQL name) is replaced by a partitioned one; no row where there is none.
select
    c.relkind::text as kind,
    pg_get_userbyid(c.relowner) <> current_user as of_another,
    format('%I', pg_get_userbyid(c.relowner)) as owner,
    c.relhastriggers or c.relhasrules or c.relrowsecurity as has_more,
    coalesce((
        select array_agg(format('grant %s on %s to %s', a.privilege_type, $1::text,
            case a.grantee when 0 then 'public' else format('%I', pg_get_userbyid(a.grantee)) end)
            order by a.grantee, a.privilege_type)
        from aclexplode(c.relacl) a where a.grantee <> c.relowner
    ), '{{}}') as grants,
    coalesce((
        select array_agg(format('alter sequence %s owned by %s.%I', d.objid::regclass, $1::text, a.attname))
        from pg_depend d join pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
        where d.refobjid = c.oid and d.deptype = 'a' and d.classid = 'pg_class'::regclass
            and (select relkind from pg_class s where s.oid = d.objid) = 'S'
    ), '{{}}') as sequences
from pg_class c
where c.oid = to_regclass($1::text)
