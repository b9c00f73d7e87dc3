-- Puts rows back as they were kept ($1, each a row as text), and tells where they are. Under the user's own search_path.
insert into {table} ({columns}) overriding system value
select {values}
from (
    select v.kept::{table} as kept
    from pg_catalog.unnest($1::pg_catalog.text[]) with ordinality as v (kept, n)
    order by v.n offset 0
) r
returning pg_catalog.concat_ws('/', tableoid, ctid) as new_id
