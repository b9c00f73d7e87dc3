-- One row per settlement date and number of runs (2, 3): how many keys look as if so many settlement runs stood beside
-- each other. The rows of such a key, dealt by size to as many groups in turn, make sums that are nearly equal,
-- however many acceptances a run has: they are `again`. `part_again` are those of the farms (two at least), or of the
-- settlement periods, nearly all of whose keys are; `differ` those whose rows are no exact copies.
-- `key` is the one of `differ` with the fewest rows, and of these with most energy: the sums of its largest and smallest group, their ratio, its
-- settlement period and its farm.
with dealt as (
    select settlement_date, settlement_period, farm_id, abs({volume_float}) as mwh,
        row_number() over (partition by settlement_date, settlement_period, farm_id order by abs(volume)) as place,
        count(*) over (partition by settlement_date, settlement_period, farm_id, volume{prices}) as same
    from {source} s
    where settlement_date = any ({dates}) and {priceable} and volume <> 0
), sums as (
    select settlement_date, settlement_period, farm_id, runs, sum(mwh) as mwh, count(*) as n,
        bool_or(same % runs <> 0) as differ
    from dealt cross join generate_series(2, 3) as runs
    group by settlement_date, settlement_period, farm_id, runs, place % runs
), keys as (
    select settlement_date, settlement_period, farm_id, runs, sum(n) as n, max(mwh) as most, min(mwh) as least,
        bool_or(differ) as differ,
        count(*) = runs and min(n) = max(n) and max(mwh) - min(mwh) < {apart} * max(mwh) as again
    from sums
    group by settlement_date, settlement_period, farm_id, runs
), parts as (
    select *,
        count(*) over farm > 1 and count(*) filter (where again) over farm >= {nearly_all} * count(*) over farm as of_farm,
        count(*) over period > 1 and count(*) filter (where again) over period >= {nearly_all} * count(*) over period
            as of_period
    from keys
    window farm as (partition by settlement_date, runs, farm_id),
        period as (partition by settlement_date, runs, settlement_period)
)
select settlement_date, runs::int8 as runs, count(*) as keys,
    count(*) filter (where again) as again,
    count(*) filter (where again and differ) as differ,
    greatest(
        case when count(distinct farm_id) filter (where of_farm) > 1 then count(*) filter (where again and of_farm) end,
        count(*) filter (where again and of_period)
    ) as part_again,
    max(to_char(99999999 - n, 'FM00000000') || to_char(most, ' FM000000000000000.000')
        || to_char(least, ' FM999999999999990.000') || to_char(most / least, ' FM0.0000') || {key})
        filter (where again and differ) as key
from parts
group by settlement_date, runs
order by settlement_date, runs
