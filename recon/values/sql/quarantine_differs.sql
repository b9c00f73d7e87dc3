-- The rows $1 of the quarantine that did not come back equal to what is there now ($2; $3: where), by the first column
-- that differs. A column that the table's own trigger changed when the values were replaced is the trigger's; `own` are
-- those that the values are in ($4). Of rows that an older version kept, the JSON is compared.
select d.name, count(*) as rows
from unnest($1::int8[], $2::text[]) as v (id, new_id)
join recon.quarantine q on q.id = v.id
left join {table} t on concat_ws('/', t.tableoid, t.ctid) = v.new_id and t.ctid = any ($3::text[]::tid[])
cross join lateral (
    select case when t.ctid is null then null when q.row_types is null then to_jsonb(t.*) else {whole} end as whole
) now
cross join lateral (
    select min(k.key) as name
    from jsonb_each(q.whole_row) k
    where coalesce(now.whole -> k.key, '[]') <> k.value
        and (q.row_after is null or k.key = any ($4::text[]) or q.row_after -> k.key = k.value)
) d
where d.name is not null
group by d.name
order by d.name
