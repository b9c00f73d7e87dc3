-- One row per settlement period within a scope of one date, in order: the rows of both tables. The first is of those
-- without a period: null, or one beyond 32 bits.
select period, sum(source_rows)::int8 as source_rows, sum(stored_rows)::int8 as stored_rows
from (
    select {period} as period,
        count(*) as source_rows, 0 as stored_rows
    from {source} s
    where {within}
    group by 1
    union all
    select {period},
        0, count(*)
    from {stored} c
    where {within}
    group by 1
) both_tables
group by period
order by period nulls first
