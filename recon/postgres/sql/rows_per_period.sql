-- One row per settlement period within a scope of one date, in order: the rows of both tables. The first is of those
-- without a period: null, or one beyond 32 bits.
select period, sum(source_rows)::int8 as source_rows, sum(stored_rows)::int8 as stored_rows
from (
    select case when settlement_period between -2147483648 and 2147483647 then settlement_period::int4 end as period,
        count(*) as source_rows, 0 as stored_rows
    from {source} s
    where settlement_date = any ({dates}) and {periods}
    group by 1
    union all
    select case when settlement_period between -2147483648 and 2147483647 then settlement_period::int4 end,
        0, count(*)
    from {stored} c
    where settlement_date = any ({dates}) and {periods}
    group by 1
) both_tables
group by period
order by period nulls first
