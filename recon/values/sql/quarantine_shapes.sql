-- Of which tables, and of which columns, the rows of run $1 are that can be put back. A ledger of version 1 kept neither
-- a table's identity nor the types: then the columns are told by what was kept, and the types are null.
select q.table_name, to_jsonb(q) ->> 'table_id' as table_id,
    coalesce(nullif(to_jsonb(q) -> 'row_types', 'null'), (
        select jsonb_object_agg(key, null) from jsonb_object_keys(
            case when jsonb_typeof(q.whole_row) = 'object' then q.whole_row else jsonb_build_object() end) as key
    ))::text as row_types,
    to_jsonb(q) ->> 'row_types' is null as is_old,
    count(*) as rows
from recon.quarantine q
where q.run_id = $1::text and q.restored_by is null
group by 1, 2, 3, 4
