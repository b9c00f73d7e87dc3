-- The last dates of all but the last of some parts of a window, each with about as many rows of the curtailment $1 (an
-- oid): `least` parts, or more where these would have more than so many `rows`, as its statistics have it, or without any
-- its size. Without statistics of dates each has as many of these; null without rows.
with known as (
    select s.most_common_vals::text::date[] as common, s.most_common_freqs as shares, s.histogram_bounds::text::date[] as bounds
    from pg_stats s
    join pg_class c on c.relname = s.tablename
    join pg_namespace n on n.oid = c.relnamespace and n.nspname = s.schemaname
    where c.oid = $1::int8::oid and s.attname = $2::text
), weighed (day, weight) as (
    select day, share from known, unnest(common, shares) as one (day, share)
    union all
    select day, (1 - coalesce((select sum(share) from unnest(shares) share), 0)) / cardinality(bounds)
    from known, unnest(bounds) day
), summed as (
    select day, sum(weight) over (order by day) as up_to, sum(weight) over () as whole
    from weighed where day between {first} and {last}
), sized as (
    select sum(case when reltuples > 0 then reltuples else pg_relation_size(oid) / 100 end) as rows
    from pg_class
    where oid = $1::int8::oid or oid in (select relid from pg_partition_tree($1::int8::oid::regclass) where isleaf)
), cut as (
    select case when {rows} >= 2 ^ 40 then {least}
        when rows = 0 then greatest({least}, 16)
        else greatest({least}, least(ceil(coalesce((select max(whole) from summed), 1) * rows / {rows}), 1000))
    end::int4 as parts
    from sized
)
select min(day) as day from summed, cut
where floor(up_to * parts / whole) between 1 and parts - 1
group by floor(up_to * parts / whole)
union
select first_date + ((last_date - first_date)::int8 * part / parts)::int4
from (
    select min(settlement_date) as first_date, max(settlement_date) as last_date
    from {source} s where settlement_date between {first} and {last}
) ends, cut, generate_series(1, parts - 1) part
where not exists (select from summed)
order by day
