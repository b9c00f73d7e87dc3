-- One row per settlement date of the curtailment: what its rows look like, beyond their number. One scan: rows that are
-- equal in key, volume and price are counted first (`n`), then keys, then dates. `fold` is how often at least every row
-- of a key (that has a volume) is repeated; the arrays are the dates' keys by fold, and by period.
-- `pairs` are the keys with as many rows as several settlement runs would have (`source_runs.sql` looks closer).
-- `<column>_key` is the key that has most of it: how many, its settlement period, its farm.
with same as (
    select settlement_date, settlement_period, farm_id, volume, count(*)::int4 as n, coalesce({priceable}, false) as priced
    from {source} s
    where settlement_date between {first} and {last}
    group by settlement_date, settlement_period, farm_id, volume{prices}
), keys as materialized (
    select settlement_date, settlement_period, farm_id,
        sum(n) filter (where priced) as priced_rows,
        min(n) filter (where priced and volume <> 0) as fold,
        sum(n - 1) filter (where priced and volume <> 0) as repeated,
        sum(n * abs({volume})) filter (where priced) as energy_mwh,
        sum(n) filter (where priced and volume <> 0) as held,
        min(abs(volume)) filter (where priced and volume <> 0) as least,
        max(abs(volume)) filter (where priced and volume <> 0) as most,
        sum(n) filter (where priced and volume > 0) as positive,
        sum(n) filter (where priced and volume < 0) as negative,
        sum(n) filter (where not priced and farm_id is not null and volume > '-Infinity' and volume < 'Infinity')
            as impossible,
        sum(n) filter (where not priced) as invalid
    from same
    group by settlement_date, settlement_period, farm_id
), dates as (
    select settlement_date,
        count(*) filter (where priced_rows > 0) as keys,
        coalesce(sum(priced_rows), 0)::int8 as priced_rows,
        coalesce(sum(repeated) filter (where priced_rows <= {most_rows}), 0)::int8 as repeated,
        coalesce(sum(positive), 0)::int8 as positive,
        coalesce(sum(negative), 0)::int8 as negative,
        coalesce(sum(impossible), 0)::int8 as impossible,
        coalesce(sum(invalid - coalesce(impossible, 0)), 0)::int8 as unusable,
        count(*) filter (where energy_mwh = 0) as zero,
        count(*) filter (where (held % 2 = 0 or held % 3 = 0) and (held > 3 or most - least < {apart} * most)) as pairs,
        count(*) filter (where priced_rows > {most_rows}) as crowded,
        count(*) filter (where energy_mwh > {most_mwh}) as outsize,
        max(priced_rows)::int8 as crowded_most,
        max(energy_mwh)::text as outsize_most,
        max(lpad(repeated::text, 20, '0') || {key})
            filter (where repeated > 0 and priced_rows <= {most_rows}) as repeated_key,
        max(lpad(positive::text, 20, '0') || {key})
            filter (where positive > 0) as positive_key,
        max(lpad(impossible::text, 20, '0') || {key})
            filter (where impossible > 0) as impossible_key,
        max(lpad(invalid::text, 20, '0') || {key})
            filter (where invalid > coalesce(impossible, 0)) as unusable_key,
        max(lpad(0::text, 20, '0') || {key})
            filter (where energy_mwh = 0) as zero_key,
        max(lpad(priced_rows::text, 20, '0') || {key})
            filter (where priced_rows > {most_rows}) as crowded_key,
        max(lpad(trunc(energy_mwh)::text, 20, '0') || {key})
            filter (where energy_mwh > {most_mwh}) as outsize_key
    from keys
    group by settlement_date
), folds as (
    select settlement_date, array_agg(fold order by fold) as folds, array_agg(n order by fold) as fold_keys
    from (select settlement_date, fold, count(*) as n from keys where fold is not null group by settlement_date, fold) f
    group by settlement_date
), periods as (
    select settlement_date, array_agg(settlement_period::int8 order by settlement_period) as periods,
        array_agg(n order by settlement_period) as period_keys
    from (
        select settlement_date, settlement_period, count(*) as n
        from keys where priced_rows > 0 group by settlement_date, settlement_period
    ) p
    group by settlement_date
)
select dates.*, folds.folds, folds.fold_keys, periods.periods, periods.period_keys
from dates left join folds using (settlement_date) left join periods using (settlement_date)
order by settlement_date
